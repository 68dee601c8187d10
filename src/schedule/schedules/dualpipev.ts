import { vPlacement } from "../program/placement.ts";
import type { Program } from "../program/program.ts";
import type { ProgramSizes } from "../program/sizes.ts";
import { bidirectionalProgram } from "./bidirectional-program.ts";
import { stepLengths } from "./bidirectional-steps.ts";
import type { ScheduleDefinition } from "./definition.ts";

function dualPipeVProgram(sizes: ProgramSizes, withCommunication: boolean): Program {
  const { numRanks, numMicroBatches } = sizes;
  const placement = vPlacement(numRanks, numMicroBatches);
  return bidirectionalProgram("dualpipev", sizes, placement, withCommunication, (rank) => {
    const isFirst = rank === 0;
    const isLast = rank === numRanks - 1;
    const back = placement.numStages - 1 - rank;
    return {
      depth: rank,
      numDepths: numRanks,
      numMicroBatchesPerDirection: numMicroBatches,
      directions: [
        { stage: rank, firstMicroBatch: 0, hasPreviousRank: !isFirst, hasNextRank: !isLast },
        { stage: back, firstMicroBatch: 0, hasPreviousRank: !isLast, hasNextRank: !isFirst },
      ],
    };
  });
}

/** One half of DualPipe, folded: each rank holds two stages of a V, and each stage is held once. */
export const dualpipev: ScheduleDefinition = {
  name: "dualpipev",
  title: "DualPipeV",
  source: "Cut-in-half procedure (Sea AI Lab) on DualPipe, as in DeepSeek's DualPipe repository",
  constraints: {
    ranks: { atLeast: 1 },
    microBatches: { atLeast: 2, atLeastTimesRanks: 2 },
    stagesPerRank: { atLeast: 2, atMost: 2 },
  },
  placement: ({ numRanks, numMicroBatches }) => vPlacement(numRanks, numMicroBatches),
  generate: (sizes) => dualPipeVProgram(sizes, false),
  generateReferenceOrder: (sizes) => dualPipeVProgram(sizes, true),
  stepLengths: ({ numRanks, numMicroBatches }, rank) =>
    stepLengths({ depth: rank, numDepths: numRanks, numMicroBatchesPerDirection: numMicroBatches }),
};
