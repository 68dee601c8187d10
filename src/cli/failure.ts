import { CommanderError } from "commander";
import { EXIT_STATUS } from "../launch/exit-status.ts";
import { LaunchError } from "../launch/launch-error.ts";
import { RankError } from "../launch/rank-error.ts";

/** The text that the command line prints for an error, and its exit status. */
export interface Failure {
  /** Empty when the message has already been printed. */
  readonly text: string;
  readonly exitCode: number;
  readonly isInterrupt?: true;
}

/** Codes of failures that a restart can cure: of a rank, its process or its host. */
const RANK_FAILURES = new Set([
  "CRASHED",
  "ABORTED",
  "DISCONNECTED",
  "RANK_FAILED",
  "STAGE_FAILED",
  "LIBTORCH",
  "OUT_OF_MEMORY",
]);
const TIMEOUT_CODES = new Set(["TIMEOUT", "HEARTBEAT_TIMEOUT"]);

/** Describes a user error in one line, and a bug of ours with its stack; `withStack` adds the stack to both. */
export function describeFailure(error: unknown, withStack: boolean): Failure {
  // Commander has printed its own message, and its help and version are no errors.
  if (error instanceof CommanderError)
    return { text: "", exitCode: error.exitCode === 0 ? EXIT_STATUS.done : EXIT_STATUS.usage };
  if (error instanceof Error && error.name === "AbortError") {
    return { text: "dualpipe: interrupted", exitCode: EXIT_STATUS.interrupted, isInterrupt: true };
  }
  if (!isUserError(error)) {
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { text: `dualpipe: internal error, please report it\n${detail}`, exitCode: EXIT_STATUS.error };
  }
  const message = withPrefix(error.message);
  return {
    text: withStack && error.stack ? `${message}\n${error.stack}` : message,
    exitCode: statusOf(error),
  };
}

function statusOf(error: Error): number {
  const { rankFailed, timedOut } = EXIT_STATUS;
  if (error instanceof RankError && RANK_FAILURES.has(error.code)) return rankFailed;
  if (error instanceof RankError && TIMEOUT_CODES.has(error.code)) return timedOut;
  if (error instanceof LaunchError && error.code === "RENDEZVOUS_FAILED") return rankFailed;
  if (error instanceof LaunchError && error.code === "RENDEZVOUS_TIMEOUT") return timedOut;
  return EXIT_STATUS.error;
}

/** Our error classes and file system errors have a code. Node's `ERR_` codes mean that our own code misused an API. */
function isUserError(error: unknown): error is Error {
  return (
    error instanceof Error &&
    "code" in error &&
    typeof error.code === "string" &&
    !error.code.startsWith("ERR_")
  );
}

function withPrefix(message: string): string {
  return message.startsWith("dualpipe: ") ? message : `dualpipe: ${message}`;
}
