const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"] as const;

/** A receiver of the signals that a launcher gets. */
interface SignalTarget {
  /** At SIGUSR1. */
  askForCheckpoint(): void;
  /** At the other signals. */
  end(signal: NodeJS.Signals): void;
}

/**
 * Passes SIGINT, SIGTERM, SIGHUP and SIGUSR1 on to the running processes; all but the last also end the launcher's own
 * waits.
 */
export class StopSignals implements Disposable {
  readonly #controller = new AbortController();
  readonly #listener = (signal: NodeJS.Signals): void => this.#handle(signal);
  readonly #targets = new Set<SignalTarget>();

  constructor() {
    for (const signal of SIGNALS) process.on(signal, this.#listener);
  }

  get isStopping(): boolean {
    return this.signal.aborted;
  }

  /** Aborted when the run must end. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Passes signals on to the target until the result is disposed of. */
  passTo(target: SignalTarget): Disposable {
    this.#targets.add(target);
    return {
      [Symbol.dispose]: () => {
        this.#targets.delete(target);
      },
    };
  }

  #handle(signal: NodeJS.Signals): void {
    for (const target of this.#targets) {
      if (signal === "SIGUSR1") target.askForCheckpoint();
      else target.end(signal);
    }
    if (signal !== "SIGUSR1") this.#controller.abort();
  }

  [Symbol.dispose](): void {
    for (const signal of SIGNALS) process.off(signal, this.#listener);
  }
}
