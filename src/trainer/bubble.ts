import { buildProgram, lower, makespanOf, simulate, type Timeline } from "../schedule/index.ts";
import { numStages, type TrainConfig } from "./config.ts";
import { measuredCost } from "./measured-cost.ts";

/** Shares of all ranks' time in which a rank computes nothing, and the step's length. */
export interface BubbleReport {
  readonly measuredRatio: number;
  readonly measuredStepMs: number;
  /** Of the simulation of the same program at the measured costs of its computations, on links that take no time. */
  readonly plannedRatio: number;
  readonly plannedStepMs: number;
}

export function reportBubble(timeline: Timeline, { pipeline }: TrainConfig): BubbleReport {
  const measuredStepMs = makespanOf(timeline);
  let workMs = 0;
  for (const track of timeline.ranks) for (const { startMs, endMs } of track) workMs += endMs - startMs;
  const program = lower(
    buildProgram(pipeline.schedule, { numRanks: pipeline.ranks, numMicroBatches: pipeline.microBatches }),
  );
  const planned = simulate(program, measuredCost(timeline, numStages(pipeline)));
  return {
    measuredRatio: 1 - workMs / (measuredStepMs * timeline.ranks.length),
    measuredStepMs,
    plannedRatio: planned.bubbleRatio,
    plannedStepMs: planned.makespan,
  };
}
