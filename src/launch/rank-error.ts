/** The failure of a rank's program, as the main thread sees it; `code` is that of the error thrown there. */
export class RankError extends Error {
  override readonly name = "RankError";
  readonly rank: number | undefined;
  readonly code: string;
  /** The stack of the error in the rank's thread. */
  readonly rankStack: string | undefined;

  constructor(rank: number | undefined, code: string, message: string, rankStack: string | undefined) {
    super(message);
    this.rank = rank;
    this.code = code;
    this.rankStack = rankStack;
  }

  /** True when the rank failed only because another one had. */
  get isConsequence(): boolean {
    return this.code === "ABORTED";
  }
}
