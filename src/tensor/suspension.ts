/**
 * Computations that wait for data, and let something else run meanwhile.
 *
 * DualPipe runs a forward and a backward as a pair: while one waits for data from other ranks, the other computes. The
 * obvious form, async functions, does not work in a rank: a promise continues in a microtask, so every scope that is
 * open would take in the other computation's tensors, the order of kernels would depend on the event loop, and each
 * `await` would cost a turn of it. So a computation that communicates is a generator. It yields each transfer that it
 * needs, and its caller decides: wait at once (`finish`), or run another computation first and resume this one later.
 * The caller knows when a computation is suspended, and switches scope and grad mode with it
 * (`Runtime.suspendableScope`).
 *
 * It lies in this layer because two layers that do not know each other meet in it: transport, above the tensor layer,
 * makes transfers (its receipts), and autograd and modules, which know no transport, yield them.
 */

/** Data that is on its way, for which a suspended computation waits. */
export interface Transfer {
  /** True when `wait` would return at once. */
  isDone(): boolean;
  /** Blocks this thread until the data is there. */
  wait(): void;
}

/**
 * A computation that yields each transfer before it uses the data. To resume it, wait for the transfer first, or leave
 * the waiting to its next step. Its return value belongs to the scope that is current when it ends.
 */
export type Suspendable<T> = Generator<Transfer, T, void>;

export function isSuspendable<T>(value: unknown): value is Suspendable<T> {
  return typeof value === "object" && value !== null && "next" in value && Symbol.iterator in value;
}

/** A cheaper `isSuspendable`, for values that are lists or not iterable unless they are suspended computations. */
export function isGenerator<T>(value: T | Suspendable<T>): value is Suspendable<T> {
  return !Array.isArray(value) && (value as Suspendable<T>)[Symbol.iterator] !== undefined;
}

/** Runs a computation to its end, and waits for each transfer as soon as it is yielded. */
export function finish<T>(computation: Suspendable<T>): T {
  try {
    for (;;) {
      const step = computation.next();
      if (step.done) return step.value;
      step.value.wait();
    }
  } finally {
    // After a wait that failed, the computation is still suspended, with tensors in its scopes.
    computation.return(undefined as T);
  }
}
