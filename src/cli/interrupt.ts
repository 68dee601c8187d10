import { EXIT_STATUS } from "../launch/exit-status.ts";
import { describeFailure } from "./failure.ts";
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

/** Those of the commands that end in their own way. */
const controllers = new Set<AbortController>();

/** The time that a command has to end after an exception that nothing caught. */
const LAST_WORDS_MS = 15_000;

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
 * Ends the command at an exception that nothing caught, with that exception as its failure. Node would end the process,
 * and then wait for ranks that wait for messages of one another, without hearing a signal.
 */
export function endOnUncaught(): void {
  process.on("uncaughtException", (error) => {
    if (controllers.size === 0) {
      const { text, exitCode } = describeFailure(error, true);
      process.stderr.write(`${text}\n`);
      process.exit(exitCode);
    }
    for (const controller of controllers) controller.abort(error);
    setTimeout(() => process.kill(process.pid, "SIGKILL"), LAST_WORDS_MS).unref();
  });
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
  controllers.add(controller);
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
      controllers.delete(controller);
      for (const name of names) process.off(name, onSignal);
    },
  };
}
