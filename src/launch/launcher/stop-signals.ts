const SIGNALS = ["SIGINT", "SIGTERM", "SIGUSR1"] as const;

/** Who takes the signals that a launcher gets. */
interface SignalTarget {
  signal(signal: NodeJS.Signals): void;
}

/** Passes SIGINT, SIGTERM and SIGUSR1 on to the processes that are running; the first two also end the launching itself. */
export class StopSignals implements Disposable {
  readonly #controller = new AbortController();
  readonly #listener = (signal: NodeJS.Signals): void => this.#take(signal);
  #target: SignalTarget | undefined;

  constructor() {
    for (const signal of SIGNALS) process.on(signal, this.#listener);
  }

  get isStopping(): boolean {
    return this.signal.aborted;
  }

  /** Aborted when the run is to end. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  passTo(target: SignalTarget): Disposable {
    this.#target = target;
    return {
      [Symbol.dispose]: () => {
        this.#target = undefined;
      },
    };
  }

  #take(signal: NodeJS.Signals): void {
    this.#target?.signal(signal);
    if (signal !== "SIGUSR1") this.#controller.abort();
  }

  [Symbol.dispose](): void {
    for (const signal of SIGNALS) process.off(signal, this.#listener);
  }
}
