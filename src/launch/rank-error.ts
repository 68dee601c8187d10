import { DualPipeError } from "../errors/dualpipe-error.ts";

/**
 * The failure of a rank, as the main thread sees it. `code` is that of the error which the rank's program threw, or
 * RANK_FAILED when it had none; CRASHED when the thread ended before its program; INTERRUPTED when the signal of
 * `runRanks` stopped the run; DISCONNECTED or HEARTBEAT_TIMEOUT when another process of the run is gone.
 */
export class RankError extends DualPipeError {
  override readonly name = "RankError";
  /** The rank that failed; undefined when it is not one of this process's. */
  readonly rank: number | undefined;
  /** The stack of the error in the rank's thread. */
  readonly rankStack: string | undefined;

  constructor(rank: number | undefined, code: string, problem: string, rankStack?: string) {
    super(code, problem);
    this.rank = rank;
    this.rankStack = rankStack;
  }

  /** True when the rank only failed because another one had. */
  get isConsequence(): boolean {
    return this.code === "ABORTED";
  }
}
