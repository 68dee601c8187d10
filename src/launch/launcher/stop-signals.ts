const SIGNALS: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGTSTP", "SIGCONT"];

/** A receiver of the signals that a launcher gets. */
interface SignalTarget {
  /** At SIGUSR1. */
  askForCheckpoint(): void;
  /** At Ctrl-Z and when the run is continued. */
  pass(signal: NodeJS.Signals): void;
  /** At the other signals. */
  end(signal: NodeJS.Signals): void;
}

/**
 * Passes the signals of a launcher on to the running processes, which the terminal does not reach: they are no group of
 * its own. SIGINT, SIGTERM and SIGHUP also end the launcher's own waits.
 */
export class StopSignals implements Disposable {
  readonly #controller = new AbortController();
  readonly #listener = (signal: NodeJS.Signals): void => this.#handle(signal);
  readonly #targets = new Set<SignalTarget>();
  readonly #signals: readonly NodeJS.Signals[];

  /** @param ignored Signals that neither the launcher nor its processes get. */
  constructor(ignored: readonly NodeJS.Signals[] = []) {
    this.#signals = SIGNALS.filter((signal) => !ignored.includes(signal));
    for (const signal of this.#signals) process.on(signal, this.#listener);
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
    const tellAll = (tell: (target: SignalTarget) => void): void => this.#targets.forEach(tell);
    switch (signal) {
      case "SIGUSR1":
        tellAll((target) => target.askForCheckpoint());
        break;
      case "SIGTSTP":
        // A program can ignore Ctrl-Z; what it has started may not listen at all.
        tellAll((target) => target.pass("SIGSTOP"));
        process.kill(process.pid, "SIGSTOP");
        break;
      case "SIGCONT":
        tellAll((target) => target.pass(signal));
        break;
      default:
        tellAll((target) => target.end(signal));
        this.#controller.abort();
    }
  }

  [Symbol.dispose](): void {
    for (const signal of this.#signals) process.off(signal, this.#listener);
  }
}
