import type { Suspendable } from "../tensor/suspension.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Message } from "../transport/process-group.ts";
import type { Criterion, StageModule } from "./stage-module.ts";

/** The forward that a hook must run: `module.call(...inputs)`, then the criterion when there is one. */
export interface OverlapForward {
  readonly module: StageModule;
  readonly inputs: Message;
  /** Of a last stage only. */
  readonly criterion: Criterion | undefined;
  readonly labels: Message;
}

/** The backward that a hook must run to its end: the whole of it, or `inputs` and then `weights`. */
export interface OverlapBackward {
  readonly module: StageModule;
  all(): Suspendable<void>;
  inputs(): Suspendable<void>;
  weights(): Suspendable<void>;
}

export interface OverlapResult {
  readonly outputs: Tensor | Message;
  /** Needed when there is a criterion. */
  readonly loss?: Tensor;
}

/**
 * `static overlappedForwardBackward` of a stage's class: runs the forward of one micro-batch together with the backward
 * of another, in an order of its own. It is the reference's `overlapped_forward_backward`, with the arguments of each half
 * in one object, and a backward that can be split and suspended.
 */
export type OverlapHook = (
  forward: OverlapForward,
  backward: OverlapBackward,
) => OverlapResult | Suspendable<OverlapResult>;

/** The hook that both modules share: they must be of one class, and it must have the hook. */
export function overlapHookOf(modules: readonly StageModule[]): OverlapHook | undefined {
  const [first, ...others] = modules.map((module) => module.constructor);
  if (first === undefined || others.some((other) => other !== first)) return undefined;
  return (first as { overlappedForwardBackward?: OverlapHook }).overlappedForwardBackward;
}
