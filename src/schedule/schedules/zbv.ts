import { vPlacement } from "../program/placement.ts";
import { type AscendingActions, ascendingProgram } from "./ascending-actions.ts";
import type { ScheduleDefinition } from "./definition.ts";

/** The two stages of the rank are the first and the second that a micro-batch passes there. */
function writeRank(actions: AscendingActions, rank: number, numRanks: number, numMicroBatches: number): void {
  const first = rank;
  const second = 2 * numRanks - 1 - rank;
  const backward = (stage: number) => {
    actions.add("I", stage);
    actions.add("W", stage);
  };

  for (let i = 0; i < 2 * (numRanks - rank) - 1; i++) actions.add("F", first);
  for (let i = 0; i < rank; i++) {
    actions.add("F", second);
    actions.add("F", first);
  }
  for (let i = 0; i < numRanks - rank; i++) {
    actions.add("F", second);
    backward(second);
  }

  const numForwards = (stage: number) => actions.count("F", stage);
  while (numForwards(second) < numForwards(first) || numForwards(first) < numMicroBatches) {
    if (numForwards(first) < numMicroBatches) actions.add("F", first);
    backward(first);
    actions.add("F", second);
    backward(second);
  }

  // In the cool-down weight backwards wait, so that gradients reach the other ranks sooner.
  for (let i = 0; i < rank; i++) {
    actions.add("I", first);
    actions.add("I", second);
  }
  for (let i = 0; i < numRanks - rank; i++) backward(first);
  while (actions.count("W", second) < numMicroBatches) actions.add("W", second);
  while (actions.count("W", first) < numMicroBatches) actions.add("W", first);
}

/** A zero-bubble schedule on a V of two stages per rank, with no more activations than 1F1B. */
export const zbv: ScheduleDefinition = {
  name: "zbv",
  title: "ZBV",
  source: "Pipeline Parallelism with Controllable Memory (arXiv 2405.15362); its B is our I",
  constraints: {
    ranks: { atLeast: 1 },
    microBatches: { atLeast: 1 },
    stagesPerRank: { atLeast: 2, atMost: 2 },
  },
  placement: ({ numRanks, numMicroBatches }) => vPlacement(numRanks, numMicroBatches),
  generate: (sizes) => {
    const { numRanks, numMicroBatches } = sizes;
    // The pattern needs this many micro-batches to fill the pipeline; those that the step does not have are left out.
    const numWritten = Math.max(2 * numRanks - 1, numMicroBatches);
    return ascendingProgram("zbv", sizes, vPlacement(numRanks, numMicroBatches), (actions, rank) =>
      writeRank(actions, rank, numRanks, numWritten),
    );
  },
};
