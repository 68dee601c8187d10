import { loopedPlacement } from "../program/placement.ts";
import type { Program } from "../program/program.ts";
import type { ProgramSizes, SizeConstraints } from "../program/sizes.ts";
import { ascendingProgram } from "./ascending-actions.ts";
import type { ScheduleDefinition } from "./definition.ts";

const ANY_SIZES: SizeConstraints = {
  ranks: { atLeast: 1 },
  microBatches: { atLeast: 1 },
  stagesPerRank: { atLeast: 1, atMost: 1 },
};

interface ZeroBubbleDepth {
  /** Forwards before the first backward. */
  readonly numWarmUps: number;
  /** Backwards for weights that are put off, to fill the cool-down. */
  readonly numDelayedWeights: number;
}

/** The sum of a rank's two numbers bounds its activations, and is the same on every rank. */
function zeroBubbleProgram(
  schedule: string,
  sizes: ProgramSizes,
  depthOf: (rank: number) => ZeroBubbleDepth,
): Program {
  const { numRanks, numMicroBatches } = sizes;
  return ascendingProgram(schedule, sizes, loopedPlacement(numRanks, numMicroBatches), (actions, rank) => {
    const { numWarmUps, numDelayedWeights } = depthOf(rank);
    for (let i = 0; i < Math.min(numWarmUps, numMicroBatches); i++) actions.add("F", rank);
    for (let i = 0; i < numMicroBatches; i++) {
      actions.add("I", rank);
      if (i >= numDelayedWeights) actions.add("W", rank);
      if (numWarmUps + i < numMicroBatches) actions.add("F", rank);
    }
    while (actions.count("W", rank) < numMicroBatches) actions.add("W", rank);
  });
}

/** ZB-H1: 1F1B with split backwards, and no more activations than 1F1B. */
export const zb1p: ScheduleDefinition = {
  name: "zb1p",
  title: "ZB1P (ZB-H1)",
  source: "Zero Bubble Pipeline Parallelism (arXiv 2401.10241), section 2.3; its B is our I",
  constraints: ANY_SIZES,
  placement: ({ numRanks, numMicroBatches }) => loopedPlacement(numRanks, numMicroBatches),
  generate: (sizes) =>
    zeroBubbleProgram("zb1p", sizes, (rank) => ({
      numWarmUps: sizes.numRanks - rank,
      numDelayedWeights: rank,
    })),
};

/** ZB-H2: twice the activations of ZB-H1, and no bubble between a rank's first and last computation. */
export const zb2p: ScheduleDefinition = {
  name: "zb2p",
  title: "ZB2P (ZB-H2)",
  source: "Zero Bubble Pipeline Parallelism (arXiv 2401.10241), section 2.3; its B is our I",
  constraints: ANY_SIZES,
  placement: ({ numRanks, numMicroBatches }) => loopedPlacement(numRanks, numMicroBatches),
  generate: (sizes) =>
    zeroBubbleProgram("zb2p", sizes, (rank) => ({
      numWarmUps: 2 * (sizes.numRanks - rank) - 1,
      numDelayedWeights: 2 * rank,
    })),
};
