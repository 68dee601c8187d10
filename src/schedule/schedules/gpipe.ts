import { loopedPlacement } from "../program/placement.ts";
import { ascendingProgram } from "./ascending-actions.ts";
import type { ScheduleDefinition } from "./definition.ts";

/** All forwards, then all backwards. */
export const gpipe: ScheduleDefinition = {
  name: "gpipe",
  title: "GPipe",
  source: "GPipe (arXiv 1811.06965)",
  constraints: {
    ranks: { atLeast: 1 },
    microBatches: { atLeast: 1 },
    stagesPerRank: { atLeast: 1, atMost: 1 },
  },
  holdsAllActivations: true,
  placement: ({ numRanks, numMicroBatches }) => loopedPlacement(numRanks, numMicroBatches),
  generate: (sizes) =>
    ascendingProgram(
      "gpipe",
      sizes,
      loopedPlacement(sizes.numRanks, sizes.numMicroBatches),
      (actions, rank) => {
        for (let i = 0; i < sizes.numMicroBatches; i++) actions.add("F", rank);
        for (let i = 0; i < sizes.numMicroBatches; i++) actions.add("B", rank);
      },
    ),
};
