import {
  buildProgram,
  costOf,
  lower,
  makespanOf,
  type Profile,
  simulate,
  type Timeline,
} from "../../schedule/index.ts";

/** The share of the ranks' time in which a rank computes nothing, and the length of the step. */
export interface BubbleReport {
  readonly measuredRatio: number;
  readonly measuredStepMs: number;
  /** What the simulator expects of the same program at the profile's costs. */
  readonly plannedRatio: number;
  readonly plannedStepMs: number;
}

/** Compares the bubble of a recorded step with the one that the simulator expects. */
export function reportBubble(timeline: Timeline, profile: Profile): BubbleReport {
  const { schedule, numRanks, numMicroBatches } = profile;
  const measuredStepMs = makespanOf(timeline);
  let workMs = 0;
  for (const track of timeline.ranks) for (const { startMs, endMs } of track) workMs += endMs - startMs;
  const planned = simulate(lower(buildProgram(schedule, { numRanks, numMicroBatches })), costOf(profile));
  return {
    measuredRatio: 1 - workMs / (measuredStepMs * numRanks),
    measuredStepMs,
    plannedRatio: planned.bubbleRatio,
    plannedStepMs: planned.makespan,
  };
}
