/** One of our own rules is broken, whatever the caller did: never a DualPipeError, and always worth a report. */
export class InternalError extends Error {
  override readonly name = "InternalError";

  constructor(problem: string) {
    super(`dualpipe: internal error, please report it: ${problem}`);
  }
}
