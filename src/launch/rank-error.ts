import { DualPipeError } from "../errors/dualpipe-error.ts";
import type { ChannelKind } from "../transport/process-group.ts";

/** The transfer in which a rank was stopped, or that timed out. */
export interface RankWait {
  /** The rank that was waited for, or sent to. */
  readonly peer: number;
  readonly kind: ChannelKind;
  readonly waitedMs: number;
  /** The action of the schedule that needed the transfer, such as `2F7`. */
  readonly action: string | undefined;
}

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
  readonly wait: RankWait | undefined;

  constructor(rank: number | undefined, code: string, problem: string, rankStack?: string, wait?: RankWait) {
    super(code, problem);
    this.rank = rank;
    this.rankStack = rankStack;
    this.wait = wait;
  }

  /** True when the rank only failed because another one had. */
  get isConsequence(): boolean {
    return this.code === "ABORTED";
  }
}
