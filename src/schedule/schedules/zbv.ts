import { vPlacement } from "../program/placement.ts";
import { type AscendingRank, ascendingProgram } from "./ascending-actions.ts";
import type { ScheduleDefinition } from "./definition.ts";

function writeRank(actions: AscendingRank, rank: number, numRanks: number, numMicroBatches: number): void {
  const down = rank;
  const up = 2 * numRanks - 1 - rank;
  const backward = (stage: number) => {
    actions.add("I", stage);
    actions.add("W", stage);
  };

  for (let i = 0; i < 2 * (numRanks - rank) - 1; i++) actions.add("F", down);
  for (let i = 0; i < rank; i++) {
    actions.add("F", up);
    actions.add("F", down);
  }
  for (let i = 0; i < numRanks - rank; i++) {
    actions.add("F", up);
    backward(up);
  }

  while (actions.count("F", up) < actions.count("F", down) || actions.count("F", down) < numMicroBatches) {
    if (actions.count("F", down) < numMicroBatches) actions.add("F", down);
    backward(down);
    actions.add("F", up);
    backward(up);
  }

  // Weight backwards wait in the cool-down, so that gradients reach the other ranks sooner.
  for (let i = 0; i < rank; i++) {
    actions.add("I", down);
    actions.add("I", up);
  }
  for (let i = 0; i < numRanks - rank; i++) backward(down);
  while (actions.count("W", up) < numMicroBatches) actions.add("W", up);
  while (actions.count("W", down) < numMicroBatches) actions.add("W", down);
}

/** Zero bubble on a V of two stages a rank, with the activations of 1F1B. */
export const zbv: ScheduleDefinition = {
  name: "zbv",
  title: "ZBV",
  source: "Pipeline Parallelism with Controllable Memory (arXiv 2405.15362); its B is our I",
  constraints: {
    ranks: { atLeast: 1 },
    microBatches: { atLeast: 1 },
    stagesPerRank: { atLeast: 2, atMost: 2 },
  },
  generate: (sizes) => {
    const { numRanks, numMicroBatches } = sizes;
    // The pattern needs this many to fill the pipeline; those that the step does not have are left out.
    const numWritten = Math.max(2 * numRanks - 1, numMicroBatches);
    return ascendingProgram("zbv", sizes, vPlacement(numRanks, numMicroBatches), (actions, rank) =>
      writeRank(actions, rank, numRanks, numWritten),
    );
  },
};
