/** Everything a caller can cause or has to handle: `catch (e) { if (e instanceof DualPipeError) ... }`. */
export abstract class DualPipeError<Code extends string = string> extends Error {
  /** What kind of error it is, in capitals, such as `INVALID_CSV`; no two classes share a code. */
  readonly code: Code;
  /** The message without its prefix, to be part of another message. */
  readonly problem: string;

  /** @param problem Says where, the rule, what was given, and what to do; the prefix is added here. */
  constructor(code: Code, problem: string, options?: ErrorOptions) {
    super(`dualpipe: ${problem}`, options);
    this.code = code;
    this.problem = problem;
  }
}

/**
 * The words of any thrown value, to be part of another message. An error of ours has a `problem`, also an
 * InternalError, and one that lost its class on the way from another thread.
 */
export function problemOf(thrown: unknown): string {
  if (thrown instanceof Error && "problem" in thrown && typeof thrown.problem === "string")
    return thrown.problem;
  return thrown instanceof Error ? thrown.message : String(thrown);
}
