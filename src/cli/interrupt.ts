import { EXIT_STATUS } from "../launch/exit-status.ts";
import { wasStartedByNohup } from "./nohup.ts";

/** The end of a command that cleans up after an interrupt. */
export interface Interrupt extends Disposable {
  /** Aborted by the first of the signals, unless the command makes something else of it. */
  readonly signal: AbortSignal;
}

/** The signals that end a command: Ctrl-C, `kill`, and the end of the terminal. */
const SIGNALS = {
  SIGINT: EXIT_STATUS.interrupted,
  SIGTERM: EXIT_STATUS.terminated,
  SIGHUP: EXIT_STATUS.hungUp,
} as const;

export type StopSignal = keyof typeof SIGNALS;

// A terminal sends Ctrl-C to npm and to us, and npm passes its own on: both arrive within milliseconds.
const SAME_PRESS_MS = 500;

/** The signals that end a command as it was started: SIGHUP does not under nohup. */
function stopSignals(): StopSignal[] {
  const names = Object.keys(SIGNALS) as StopSignal[];
  return wasStartedByNohup() ? names.filter((name) => name !== "SIGHUP") : names;
}

/**
 * Ends the process with status 130, 143 or 129 at a signal, unless a command has asked for it by `catchInterrupt`.
 */
export function exitOnInterrupt(): void {
  const names = stopSignals();
  if (!names.includes("SIGHUP")) process.on("SIGHUP", () => {});
  for (const name of names) {
    const status = SIGNALS[name];
    process.on(name, () => {
      process.exitCode = status;
      if (process.listenerCount(name) === 1) process.exit(status);
    });
  }
}

/**
 * Lets a command end in its own way at the first signal; Ctrl-C or SIGTERM more than `samePressMs` later ends the
 * process.
 * @param onStop Called at the first signal; when it returns true the command ends by itself, without an abort.
 */
export function catchInterrupt(
  samePressMs = SAME_PRESS_MS,
  onStop: (signal: StopSignal) => boolean = () => false,
): Interrupt {
  const controller = new AbortController();
  let firstMs: number | undefined;
  const onSignal = (name: StopSignal) => {
    // The end of a terminal may be told several times; it is not pressed like Ctrl-C.
    const isLater = firstMs !== undefined && performance.now() - firstMs > samePressMs && name !== "SIGHUP";
    if (isLater) process.exit(SIGNALS[name]);
    const isFirst = firstMs === undefined;
    firstMs ??= performance.now();
    if (isFirst && !onStop(name)) controller.abort();
  };
  const names = stopSignals();
  for (const name of names) process.on(name, onSignal);
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const name of names) process.off(name, onSignal);
    },
  };
}
