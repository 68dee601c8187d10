import {
  costOf,
  lower,
  makespanOf,
  type Profile,
  type Program,
  simulate,
  type Timeline,
} from "../../schedule/index.ts";

/** The share of the ranks' time in which a rank computes nothing, and the length of the step. */
export interface BubbleReport {
  /** The last step, whose length is from the start of its first computation to the end of its last. */
  readonly measuredRatio: number;
  readonly measuredStepMs: number;
  /** What the simulator expects of the same program at the profile's costs. */
  readonly plannedRatio: number;
  readonly plannedStepMs: number;
  /** The median length of the last steps; the profile has the costs of the step that is nearest to it. */
  readonly medianStepMs: number;
  /** The number of these steps. */
  readonly numSteps: number;
}

/**
 * Compares the bubble of the last step with the one that the simulator expects.
 * @param timelines Those of the last steps, oldest first.
 * @param program What the ranks have run.
 */
export function reportBubble(
  timelines: readonly Timeline[],
  profile: Profile,
  program: Program,
): BubbleReport {
  const timeline = timelines.at(-1)!;
  const measuredStepMs = makespanOf(timeline);
  let workMs = 0;
  for (const track of timeline.ranks) for (const { startMs, endMs } of track) workMs += endMs - startMs;
  const planned = simulate(program.communication === "none" ? lower(program) : program, costOf(profile));
  return {
    measuredRatio: 1 - workMs / (measuredStepMs * profile.numRanks),
    measuredStepMs,
    plannedRatio: planned.bubbleRatio,
    plannedStepMs: planned.makespan,
    medianStepMs: profile.stepMs,
    numSteps: timelines.length,
  };
}

/** The report in words, which say how each of its numbers counts, because they count differently. */
export function bubbleInWords(report: BubbleReport, numRanks: number): string[] {
  const { measuredRatio, measuredStepMs, plannedRatio, plannedStepMs, medianStepMs, numSteps } = report;
  const [measured, planned] = [measuredRatio, plannedRatio].map(
    (ratio) => `${(100 * ratio).toFixed(1)} %`,
  ) as [string, string];
  const [measuredMs, plannedMs] = [measuredStepMs, plannedStepMs].map((ms) => `${ms.toFixed(0)} ms`) as [
    string,
    string,
  ];
  const line = (name: string, share: string, ms: string, how: string) =>
    `  ${name}  ${share.padStart(Math.max(measured.length, planned.length))} of ${ms.padStart(Math.max(measuredMs.length, plannedMs.length))}: ${how}`;
  const of = numSteps === 1 ? "the last step" : `the last ${numSteps} steps (${medianStepMs.toFixed(0)} ms)`;
  return [
    `bubble, the share of ${numRanks === 1 ? "the rank's time" : `the ${numRanks} ranks' time`} without a computation:`,
    line(
      "measured",
      measured,
      measuredMs,
      "the last step, from its first computation to the end of its last, waiting for values included",
    ),
    line(
      "planned ",
      planned,
      plannedMs,
      `the same program simulated at the mean costs of a step of median length of ${of}, with transfers that take no time`,
    ),
  ];
}
