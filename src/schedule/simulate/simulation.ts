import type { BubbleCauses } from "./bubble-causes.ts";
import type { Stall } from "./stalls.ts";
import type { Timeline } from "./timeline.ts";

export interface SimulateOptions {
  /**
   * Computations need all their values when they start and give them when they end, as papers draw and count them.
   * The engine is faster, because it moves values in the middle of a B and of a pair.
   */
  readonly wholeComputations?: boolean | undefined;
  /**
   * Takes a program of computations, as if every receive were posted from the start. It is several times faster than
   * lowering the program first, and gives the same times where receives are posted early enough.
   */
  readonly withoutLowering?: boolean | undefined;
  /** Ranks and links that stand still for a while. */
  readonly stalls?: readonly Stall[] | undefined;
}

/** The predicted step; times are in the cost model's unit. */
export interface Simulation {
  readonly timeline: Timeline;
  readonly makespan: number;
  /** The time that each rank computes. */
  readonly work: readonly number[];
  /** The time of the step in which each rank does not compute. */
  readonly bubble: readonly number[];
  readonly bubbleCauses: readonly BubbleCauses[];
  /** The bubbles' share of all ranks' time. */
  readonly bubbleRatio: number;
  /** The most activations that each rank holds, in micro-batches of one stage. */
  readonly peakActivations: readonly number[];
}
