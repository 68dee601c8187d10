/** Data on its way: what a suspended computation waits for. */
export interface Transfer {
  /** True when `wait` would return at once. */
  isDone(): boolean;
  /** Blocks this thread until the data is there. */
  wait(): void;
}

/** A computation that yields at each transfer; whoever resumes it has waited, or lets the next step of it wait. */
export type Suspendable<T> = Generator<Transfer, T, void>;

export function isSuspendable<T>(value: unknown): value is Suspendable<T> {
  return typeof value === "object" && value !== null && "next" in value && Symbol.iterator in value;
}

/** Runs to the end, waiting for each transfer where it is yielded. */
export function finish<T>(computation: Suspendable<T>): T {
  try {
    for (;;) {
      const step = computation.next();
      if (step.done) return step.value;
      step.value.wait();
    }
  } finally {
    // A wait that fails leaves the computation suspended, with tensors in its scopes.
    computation.return(undefined as T);
  }
}
