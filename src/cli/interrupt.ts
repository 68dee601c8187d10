import { EXIT_STATUS } from "../launch/exit-status.ts";

/** The end of a command that cleans up after an interrupt. */
export interface Interrupt extends Disposable {
  /** Aborted by the first SIGINT, or SIGTERM where nothing else is made of it. */
  readonly signal: AbortSignal;
}

const SIGNALS = { SIGINT: EXIT_STATUS.interrupted, SIGTERM: EXIT_STATUS.terminated } as const;
// A terminal sends Ctrl-C to npm and to us, and npm passes its own on: both arrive within milliseconds.
const SAME_PRESS_MS = 500;

/** Ends the process with status 130 or 143 at a signal, unless a command has asked for it by `catchInterrupt`. */
export function exitOnInterrupt(): void {
  for (const [name, status] of Object.entries(SIGNALS)) {
    process.on(name, () => {
      process.exitCode = status;
      if (process.listenerCount(name) === 1) process.exit(status);
    });
  }
}

/**
 * Lets a command end in its own way at the first SIGINT or SIGTERM; one more than `samePressMs` later ends the process.
 * @param onTerminate Called at a SIGTERM; when it returns true the command ends by itself, without an abort.
 */
export function catchInterrupt(
  samePressMs = SAME_PRESS_MS,
  onTerminate: () => boolean = () => false,
): Interrupt {
  const controller = new AbortController();
  let firstMs: number | undefined;
  const onSignal = (name: keyof typeof SIGNALS) => {
    if (firstMs !== undefined && performance.now() - firstMs > samePressMs) process.exit(SIGNALS[name]);
    firstMs ??= performance.now();
    if (name === "SIGTERM" && onTerminate()) return;
    controller.abort();
  };
  for (const name of Object.keys(SIGNALS)) process.on(name, onSignal);
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const name of Object.keys(SIGNALS)) process.off(name, onSignal);
    },
  };
}
