import { loopedPlacement } from "../program/placement.ts";
import { ascendingProgram } from "./ascending-actions.ts";
import type { ScheduleDefinition } from "./definition.ts";

/**
 * 1F1B with several stages per rank, which micro-batches pass in loops around the ranks. Micro-batches go in
 * rounds of `numRanks`: a round passes a rank's first stage, then its second, and so on.
 */
export const interleaved: ScheduleDefinition = {
  name: "interleaved",
  title: "Interleaved 1F1B",
  source: "Megatron-LM (arXiv 2104.04473), section 2.2",
  constraints: {
    ranks: { atLeast: 1 },
    microBatches: { atLeast: 1, multipleOfRanks: true },
    stagesPerRank: { atLeast: 2 },
  },
  placement: ({ numRanks, numMicroBatches, stagesPerRank = 2 }) =>
    loopedPlacement(numRanks, numMicroBatches, stagesPerRank),
  generate: (sizes) => {
    const { numRanks, numMicroBatches, stagesPerRank = 2 } = sizes;
    const placement = loopedPlacement(numRanks, numMicroBatches, stagesPerRank);
    return ascendingProgram("interleaved", sizes, placement, (actions, rank) => {
      const loopOf = (step: number) => Math.floor(step / numRanks) % stagesPerRank;
      const forward = (step: number) => actions.add("F", loopOf(step) * numRanks + rank);
      const backward = (step: number) =>
        actions.add("B", (stagesPerRank - 1 - loopOf(step)) * numRanks + rank);

      const numSteps = numMicroBatches * stagesPerRank;
      const numWarmUps = Math.min((stagesPerRank - 1) * numRanks + 2 * (numRanks - 1 - rank), numSteps);
      for (let step = 0; step < numWarmUps; step++) forward(step);
      for (let step = numWarmUps; step < numSteps; step++) {
        forward(step);
        backward(step - numWarmUps);
      }
      for (let step = numSteps - numWarmUps; step < numSteps; step++) backward(step);
    });
  },
};
