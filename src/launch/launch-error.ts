/** INCOMPLETE_VARIABLES: a launcher's variables are there in part. UNEVEN_RANKS: ranks do not go evenly into processes. USAGE: options that do not fit. */
export type LaunchErrorCode = "INCOMPLETE_VARIABLES" | "UNEVEN_RANKS" | "USAGE";

/** Processes that cannot be started, or do not know their place. */
export class LaunchError extends Error {
  override readonly name = "LaunchError";
  readonly code: LaunchErrorCode;

  constructor(code: LaunchErrorCode, message: string) {
    super(`dualpipe: ${message}`);
    this.code = code;
  }
}
