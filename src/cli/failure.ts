import { CommanderError } from "commander";

/** What the command line tells of an error, and the status it ends with. */
export interface Failure {
  /** Empty when the message has already been printed. */
  readonly text: string;
  readonly exitCode: number;
  readonly isInterrupt?: true;
}

const USER_ERROR = 1;
const USAGE_ERROR = 2;
const INTERRUPTED = 130;

/** One line for an error of the user's, a stack for one of ours; `withStack` adds the stack to both. */
export function describeFailure(error: unknown, withStack: boolean): Failure {
  // Commander has printed its own message, and its help and version are no errors.
  if (error instanceof CommanderError) return { text: "", exitCode: error.exitCode === 0 ? 0 : USAGE_ERROR };
  if (error instanceof Error && error.name === "AbortError") {
    return { text: "dualpipe: interrupted", exitCode: INTERRUPTED, isInterrupt: true };
  }
  if (!isUserError(error)) {
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { text: `dualpipe: internal error, please report it\n${detail}`, exitCode: USER_ERROR };
  }
  const message = withPrefix(error.message);
  return { text: withStack && error.stack ? `${message}\n${error.stack}` : message, exitCode: USER_ERROR };
}

/** Our typed errors and those of the file system have a code; Node's `ERR_` codes mean a misuse by our own code. */
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
