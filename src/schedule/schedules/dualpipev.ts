import { ActionListBuilder } from "../program/action-list.ts";
import { vPlacement } from "../program/placement.ts";
import type { Program } from "../program/program.ts";
import type { ProgramSizes } from "../program/sizes.ts";
import { BidirectionalRank } from "./bidirectional-actions.ts";
import { writeSteps } from "./bidirectional-steps.ts";
import type { ScheduleDefinition } from "./definition.ts";

function dualPipeVProgram(sizes: ProgramSizes, withCommunication: boolean): Program {
  const { numRanks, numMicroBatches, forwardOnly = false } = sizes;
  const numStages = 2 * numRanks;
  const builder = new ActionListBuilder(numMicroBatches);
  const ranks = Array.from({ length: numRanks }, (_, depth) => {
    const isFirst = depth === 0;
    const isLast = depth === numRanks - 1;
    const rank = new BidirectionalRank(
      [
        { stage: depth, firstMicroBatch: 0, hasPreviousRank: !isFirst, hasNextRank: !isLast },
        { stage: numStages - 1 - depth, firstMicroBatch: 0, hasPreviousRank: !isLast, hasNextRank: !isFirst },
      ],
      { forwardOnly, withCommunication },
      builder,
    );
    writeSteps(rank, { depth, numDepths: numRanks, microBatchesPerStream: numMicroBatches });
    return rank.finish();
  });

  return {
    schedule: "dualpipev",
    numRanks,
    numStages,
    numMicroBatches,
    forwardOnly,
    communication: withCommunication ? "batched" : "none",
    placement: vPlacement(numRanks, numMicroBatches),
    ranks,
  };
}

/** DualPipe cut in half: each rank holds two stages of a V, and no stage is held twice. */
export const dualpipev: ScheduleDefinition = {
  name: "dualpipev",
  title: "DualPipeV",
  source: "Cut-in-half procedure (Sea AI Lab) on DualPipe, as in DeepSeek's DualPipe repository",
  constraints: {
    ranks: { atLeast: 1 },
    microBatches: { atLeast: 2, atLeastTimesRanks: 2 },
    stagesPerRank: { atLeast: 2, atMost: 2 },
  },
  generate: (sizes) => dualPipeVProgram(sizes, false),
  generateReferenceOrder: (sizes) => dualPipeVProgram(sizes, true),
};
