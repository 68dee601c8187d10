import { loopedPlacement } from "../program/placement.ts";
import { ascendingProgram } from "./ascending-actions.ts";
import type { ScheduleDefinition } from "./definition.ts";

/** One forward for each rank that follows, and one more; then a backward and a forward in turn. */
export const oneFOneB: ScheduleDefinition = {
  name: "1f1b",
  title: "1F1B",
  source: "PipeDream-Flush (arXiv 2006.09503)",
  constraints: {
    ranks: { atLeast: 1 },
    microBatches: { atLeast: 1 },
    stagesPerRank: { atLeast: 1, atMost: 1 },
  },
  placement: ({ numRanks, numMicroBatches }) => loopedPlacement(numRanks, numMicroBatches),
  generate: (sizes) => {
    const { numRanks, numMicroBatches } = sizes;
    return ascendingProgram("1f1b", sizes, loopedPlacement(numRanks, numMicroBatches), (actions, rank) => {
      const numWarmUps = Math.min(numRanks - rank, numMicroBatches);
      for (let i = 0; i < numWarmUps; i++) actions.add("F", rank);
      for (let i = 0; i < numMicroBatches; i++) {
        actions.add("B", rank);
        if (numWarmUps + i < numMicroBatches) actions.add("F", rank);
      }
    });
  },
};
