// A model's own order for a pair: the reference's `overlapped_forward_backward`.
//
// The point of DualPipe is that the forward of one micro-batch and the backward of another run together, so that one
// computes while the other communicates. The executor can do that for any two stages that yield at their transfers. A
// model that knows better, because it has kernels for both halves or wants its products in a certain order, says so
// with a static method on the class of its stages. The reference gives that method ten arguments and a backward in one
// piece. Here each half is one object, and the backward can be run whole or split, and suspended.
//
// Only pairs of one class are given to a hook. Invariant: a hook must run the whole backward, which is checked when it
// returns; half a backward would be a wrong gradient that no one notices.
import type { Backward } from "../../autograd/backward.ts";
import type { Suspendable } from "../../tensor/suspension.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { Message } from "../../transport/process-group.ts";
import type { Criterion, StageModule } from "./stage.ts";

/** The forward that a hook must run: `module.call(...inputs)`, then the criterion when there is one. */
export interface OverlapForward {
  readonly module: StageModule;
  readonly inputs: Message;
  /** Given in the last stage only. */
  readonly criterion: Criterion | undefined;
  readonly labels: Message;
}

/** The backward that a hook must run to its end: `backward`, or `backwardInputs` and then `backwardWeights`. */
export interface OverlapBackward {
  readonly module: StageModule;
  /** B: I and W in one walk. */
  backward(): Suspendable<void>;
  /** I. */
  backwardInputs(): Suspendable<void>;
  /** W, after I. */
  backwardWeights(): Suspendable<void>;
}

export interface OverlapResult {
  readonly outputs: Tensor | Message;
  /** Needed when there is a criterion. */
  readonly loss?: Tensor | undefined;
}

/**
 * `static overlappedForwardBackward` of a stage's class: runs the forward of one micro-batch together with the backward
 * of another, in an order of its own.
 */
export type OverlapHook = (
  forward: OverlapForward,
  backward: OverlapBackward,
) => OverlapResult | Suspendable<OverlapResult>;

/** The hook of a rank's modules, if they are of one class and it has the hook. */
export function overlapHookOf(modules: readonly StageModule[]): OverlapHook | undefined {
  const [first, ...others] = modules.map((module) => module.constructor);
  if (first === undefined || others.some((other) => other !== first)) return undefined;
  return (first as { overlappedForwardBackward?: OverlapHook }).overlappedForwardBackward;
}

type Part = Exclude<keyof OverlapBackward, "module">;

/** A backward for a hook, which knows which of its parts have ended. */
export class HookBackward implements OverlapBackward {
  readonly module: StageModule;
  readonly #walk: Backward;
  readonly #gradients: readonly Tensor[];
  readonly #ended = new Set<Part>();

  constructor(module: StageModule, walk: Backward, gradients: readonly Tensor[]) {
    this.module = module;
    this.#walk = walk;
    this.#gradients = gradients;
  }

  backward(): Suspendable<void> {
    return this.#noting("backward", this.#walk.backward(this.#gradients));
  }

  backwardInputs(): Suspendable<void> {
    return this.#noting("backwardInputs", this.#walk.backwardInputs(this.#gradients));
  }

  backwardWeights(): Suspendable<void> {
    return this.#noting("backwardWeights", this.#walk.backwardWeights());
  }

  get isWhole(): boolean {
    const has = (part: Part): boolean => this.#ended.has(part);
    return has("backward") || (has("backwardInputs") && has("backwardWeights"));
  }

  /** The parts that have ended, for a message. */
  get ended(): string {
    return [...this.#ended].join(" and ") || "none of it";
  }

  *#noting(part: Part, walk: Suspendable<void>): Suspendable<void> {
    yield* walk;
    this.#ended.add(part);
  }
}
