import { ActionListBuilder } from "../program/action-list.ts";
import { bidirectionalPlacement } from "../program/placement.ts";
import type { Program } from "../program/program.ts";
import type { ProgramSizes } from "../program/sizes.ts";
import { BidirectionalRank, type Stream } from "./bidirectional-actions.ts";
import { writeSteps } from "./bidirectional-steps.ts";
import type { ScheduleDefinition } from "./definition.ts";

function dualPipeProgram(sizes: ProgramSizes, withCommunication: boolean): Program {
  const { numRanks, numMicroBatches, forwardOnly = false } = sizes;
  const microBatchesPerStream = numMicroBatches / 2;
  const stream = (stage: number, firstMicroBatch: number): Stream => ({
    stage,
    firstMicroBatch,
    hasPreviousRank: stage > 0,
    hasNextRank: stage < numRanks - 1,
  });

  const builder = new ActionListBuilder(numMicroBatches);
  const ranks = Array.from({ length: numRanks }, (_, rankIndex) => {
    const down = stream(rankIndex, 0);
    const up = stream(numRanks - 1 - rankIndex, microBatchesPerStream);
    const streams: [Stream, Stream] = rankIndex < numRanks / 2 ? [down, up] : [up, down];
    const rank = new BidirectionalRank(streams, { forwardOnly, withCommunication }, builder);
    const depth = Math.min(rankIndex, numRanks - 1 - rankIndex);
    writeSteps(rank, { depth, numDepths: numRanks / 2, microBatchesPerStream });
    return rank.finish();
  });

  return {
    schedule: "dualpipe",
    numRanks,
    numStages: numRanks,
    numMicroBatches,
    forwardOnly,
    communication: withCommunication ? "batched" : "none",
    placement: bidirectionalPlacement(numRanks, numMicroBatches),
    ranks,
  };
}

/** Bidirectional: micro-batches enter at both ends, every stage lives on two ranks. */
export const dualpipe: ScheduleDefinition = {
  name: "dualpipe",
  title: "DualPipe",
  source: "DeepSeek-V3 Technical Report (arXiv 2412.19437), section 3.2.1",
  constraints: {
    ranks: { atLeast: 2, multipleOf: 2 },
    microBatches: { atLeast: 4, atLeastTimesRanks: 2, multipleOf: 2 },
    stagesPerRank: { atLeast: 1, atMost: 1 },
  },
  generate: (sizes) => dualPipeProgram(sizes, false),
  generateReferenceOrder: (sizes) => dualPipeProgram(sizes, true),
};
