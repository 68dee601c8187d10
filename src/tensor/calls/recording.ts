/** A call whose gradients LibTorch's own autograd knows: see native/recording.cpp. */
import type { Addon, NativeArgument } from "../../native/addon.ts";
import type { Operator } from "../native-operator.ts";
import { Tensor } from "../tensor.ts";
import { type Argument, toNative } from "./native-arguments.ts";

/** The runtime of a call. */
interface Owner {
  readonly addon: Addon;
  adoptHandle(handle: number): Tensor;
}

/** The graph of one call, which its owner disposes. */
export class Recording implements Disposable {
  readonly #runtime: Owner;
  #number: number | undefined;

  constructor(runtime: Owner, number: number) {
    this.#runtime = runtime;
    this.#number = number;
  }

  /**
   * Gradients of the call's tensors; null where none flows. They belong to the current scope.
   * @param resultGradients One for each result, null where none arrived.
   * @param positions Of the tensors, as in `tensorsOf`; each must have been wanted.
   */
  gradients(
    resultGradients: readonly (Tensor | null)[],
    positions: readonly number[],
  ): readonly (Tensor | null)[] {
    const handles = resultGradients.map((gradient) => gradient?.handle ?? null);
    const found = this.#runtime.addon.recording.gradients(this.#number ?? -1, handles, positions);
    return found.map((handle) => (handle === null ? null : this.#runtime.adoptHandle(handle)));
  }

  /** Frees what LibTorch saved; a second call does nothing. */
  [Symbol.dispose](): void {
    if (this.#number !== undefined) this.#runtime.addon.recording.release(this.#number);
    this.#number = undefined;
  }
}

/** What a recorded call gave. */
export interface RecordedCall {
  /** They belong to the current scope; an undefined tensor is null. */
  readonly results: readonly (Tensor | null)[];
  /** Through which results a gradient flows. */
  readonly isDifferentiable: readonly boolean[];
  /** The tensors and results whose elements the backward reads, so that they must not change before it. */
  readonly kept: readonly Tensor[];
  readonly recording: Recording;
}

/** The tensors among arguments, each of a list for itself: what a recorded call has gradients of. */
export function tensorsOf(args: readonly Argument[]): readonly (Tensor | null)[] {
  const tensors: (Tensor | null)[] = [];
  for (const argument of args)
    if (argument instanceof Tensor) tensors.push(argument);
    else if (Array.isArray(argument) && argument.some((each) => each instanceof Tensor))
      tensors.push(...(argument as readonly (Tensor | null)[]));
  return tensors;
}

/** `runtime.recordCall`, with the operator's number. */
export function recordCall(
  runtime: Owner,
  number: number,
  op: Operator,
  args: readonly Argument[],
  tensors: readonly (Tensor | null)[],
  isWanted: readonly boolean[],
): RecordedCall {
  const native = [...args];
  const word = number + toNative(op, native);
  const wanted = isWanted.map((each) => (each ? 1 : 0));
  const facts = runtime.addon.recording.record(wanted, word, ...(native as NativeArgument[]));
  const numResults = facts[1]!;
  const results = new Array<Tensor | null>(numResults);
  const isDifferentiable = new Array<boolean>(numResults);
  const kept: Tensor[] = [];
  const firstKept = 2 + 3 * numResults;
  for (let at = firstKept; at < facts.length; at++) kept.push(tensors[facts[at]!]!);
  for (let i = 0, at = 2; i < numResults; i++, at += 3) {
    const handle = facts[at]!;
    const flags = facts[at + 2]!;
    const result = handle < 0 ? null : runtime.adoptHandle(handle);
    const base = tensors[facts[at + 1]!];
    if (base) result?.asViewOf(base);
    if (result !== null && (flags & IS_KEPT) !== 0) kept.push(result);
    results[i] = result;
    isDifferentiable[i] = (flags & IS_DIFFERENTIABLE) !== 0;
  }
  return { results, isDifferentiable, kept, recording: new Recording(runtime, facts[0]!) };
}

/** The flags of a result in the addon's list. */
const IS_DIFFERENTIABLE = 1;
const IS_KEPT = 2;
