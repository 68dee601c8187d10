import { bidirectionalPlacement } from "../program/placement.ts";
import type { Program } from "../program/program.ts";
import type { ProgramSizes } from "../program/sizes.ts";
import type { RankDirection } from "./bidirectional-actions.ts";
import { bidirectionalProgram } from "./bidirectional-program.ts";
import { stepLengths } from "./bidirectional-steps.ts";
import type { ScheduleDefinition } from "./definition.ts";

function dualPipeProgram(sizes: ProgramSizes, withCommunication: boolean): Program {
  const { numRanks, numMicroBatches } = sizes;
  const numMicroBatchesPerDirection = numMicroBatches / 2;
  const direction = (stage: number, firstMicroBatch: number): RankDirection => ({
    stage,
    firstMicroBatch,
    hasPreviousRank: stage > 0,
    hasNextRank: stage < numRanks - 1,
  });
  const placement = bidirectionalPlacement(numRanks, numMicroBatches);
  return bidirectionalProgram("dualpipe", sizes, placement, withCommunication, (rank) => {
    const mirror = numRanks - 1 - rank;
    const fromFirstRank = direction(rank, 0);
    const fromLastRank = direction(mirror, numMicroBatchesPerDirection);
    return {
      depth: Math.min(rank, mirror),
      numDepths: numRanks / 2,
      numMicroBatchesPerDirection,
      directions: rank < mirror ? [fromFirstRank, fromLastRank] : [fromLastRank, fromFirstRank],
    };
  });
}

/** Micro-batches enter at both ends of the pipeline, and two ranks hold each stage. */
export const dualpipe: ScheduleDefinition = {
  name: "dualpipe",
  title: "DualPipe",
  source: "DeepSeek-V3 Technical Report (arXiv 2412.19437), section 3.2.1",
  constraints: {
    ranks: { atLeast: 2, multipleOf: 2 },
    microBatches: { atLeast: 4, atLeastTimesRanks: 2, multipleOf: 2 },
    stagesPerRank: { atLeast: 1, atMost: 1 },
  },
  placement: ({ numRanks, numMicroBatches }) => bidirectionalPlacement(numRanks, numMicroBatches),
  generate: (sizes) => dualPipeProgram(sizes, false),
  generateReferenceOrder: (sizes) => dualPipeProgram(sizes, true),
  stepLengths: ({ numRanks, numMicroBatches }, rank) =>
    stepLengths({
      depth: Math.min(rank, numRanks - 1 - rank),
      numDepths: numRanks / 2,
      numMicroBatchesPerDirection: numMicroBatches / 2,
    }),
};
