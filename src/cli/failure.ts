import { CommanderError } from "commander";
import { DualPipeError } from "../errors/dualpipe-error.ts";
import { describeSystemError } from "../errors/system-error.ts";
import { EXIT_STATUS } from "../launch/exit-status.ts";

/** The text that the command line prints for an error, and its exit status. */
export interface Failure {
  /** Empty when the message has already been printed. */
  readonly text: string;
  readonly exitCode: number;
  readonly isInterrupt?: true;
}

/**
 * The exit status for wrong usage, and for error codes that a restart may cure; all other errors end with
 * `EXIT_STATUS.error`.
 */
const STATUS_OF_CODE: ReadonlyMap<string, number> = new Map([
  ["USAGE", EXIT_STATUS.usage],
  ["CONFIG_BAD_OVERRIDE", EXIT_STATUS.usage],
  ["CRASHED", EXIT_STATUS.rankFailed],
  ["ABORTED", EXIT_STATUS.rankFailed],
  ["DISCONNECTED", EXIT_STATUS.rankFailed],
  ["RANK_FAILED", EXIT_STATUS.rankFailed],
  ["STAGE_FAILED", EXIT_STATUS.rankFailed],
  ["LIBTORCH", EXIT_STATUS.rankFailed],
  ["OUT_OF_MEMORY", EXIT_STATUS.rankFailed],
  ["STEP_OUT_OF_MEMORY", EXIT_STATUS.rankFailed],
  ["RENDEZVOUS_FAILED", EXIT_STATUS.rankFailed],
  ["TIMEOUT", EXIT_STATUS.timedOut],
  ["HEARTBEAT_TIMEOUT", EXIT_STATUS.timedOut],
  ["RENDEZVOUS_TIMEOUT", EXIT_STATUS.timedOut],
]);

/** Describes a user error in one line, and a bug of ours with its stack; `withStack` adds the stack to both. */
export function describeFailure(error: unknown, withStack: boolean): Failure {
  // Commander has printed its own message, and its help and version are no errors.
  if (error instanceof CommanderError)
    return { text: "", exitCode: error.exitCode === 0 ? EXIT_STATUS.done : EXIT_STATUS.usage };
  if (error instanceof Error && error.name === "AbortError")
    return { text: "dualpipe: interrupted", exitCode: EXIT_STATUS.interrupted, isInterrupt: true };
  const stackOf = ({ stack }: Error): string => (withStack && stack ? `\n${stack}` : "");
  if (error instanceof DualPipeError)
    return {
      text: `${error.message}${stackOf(error)}`,
      exitCode: STATUS_OF_CODE.get(error.code) ?? EXIT_STATUS.error,
    };
  if (isSystemError(error))
    return { text: `dualpipe: ${problemOfSystem(error)}${stackOf(error)}`, exitCode: EXIT_STATUS.error };
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { text: `dualpipe: internal error, please report it\n${detail}`, exitCode: EXIT_STATUS.error };
}

/** What failed, where and why, such as "open a.csv: it does not exist (ENOENT)". */
function problemOfSystem(error: NodeJS.ErrnoException & { readonly dest?: string }): string {
  const { syscall = "", path, dest } = error;
  const problem = describeSystemError(error);
  // Errors without a path, such as those of sockets, and those without words tell all they know themselves.
  if (path === undefined || problem === error.message) return error.message;
  return `${syscall} ${path}${dest === undefined ? "" : ` to ${dest}`}: ${problem}`;
}

/**
 * Whether an error comes from a system call, such as opening a file; the user has to handle it, and it says what
 * failed.
 */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error;
}
