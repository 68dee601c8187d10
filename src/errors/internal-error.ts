/** One of our own rules is broken, whatever the caller did: never a DualPipeError, and always worth a report. */
export class InternalError extends Error {
  override readonly name = "InternalError";
  /** The message without its prefix, to be part of another message. */
  readonly problem: string;

  constructor(broken: string) {
    const problem = `internal error, please report it: ${broken}`;
    super(`dualpipe: ${problem}`);
    this.problem = problem;
  }
}
