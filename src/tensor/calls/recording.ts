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
class Recording implements Disposable {
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
  return args.flatMap((argument): readonly (Tensor | null)[] => {
    if (argument instanceof Tensor) return [argument];
    const isList = Array.isArray(argument) && argument.some((each) => each instanceof Tensor);
    return isList ? (argument as readonly (Tensor | null)[]) : [];
  });
}

/** `runtime.recordCall`, with the operator's number. */
export function recordCall(
  runtime: Owner,
  number: number,
  op: Operator,
  args: readonly Argument[],
  isWanted: readonly boolean[],
): RecordedCall {
  const tensors = tensorsOf(args);
  const native = [...args];
  const word = number + toNative(op, native);
  const wanted = isWanted.map((each) => (each ? 1 : 0));
  const recorded = runtime.addon.recording.record(wanted, word, ...(native as NativeArgument[]));
  const results = recorded.results.map((handle) => (handle === null ? null : runtime.adoptHandle(handle)));
  for (const [i, result] of results.entries()) {
    const base = tensors[recorded.viewOf[i]!];
    if (base) result?.asViewOf(base);
  }
  const kept = [
    ...tensors.filter((_, i) => recorded.isTensorKept[i]),
    ...results.filter((_, i) => recorded.isResultKept[i]),
  ];
  return {
    results,
    isDifferentiable: recorded.isDifferentiable,
    kept: kept.filter((tensor) => tensor !== null),
    recording: new Recording(runtime, recorded.recording),
  };
}
