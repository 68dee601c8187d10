import { ActionListBuilder } from "../program/action-list.ts";
import { type Placement, perRank } from "../program/placement.ts";
import type { Program } from "../program/program.ts";
import type { ProgramSizes } from "../program/sizes.ts";
import { BidirectionalActions, type RankDirection } from "./bidirectional-actions.ts";
import { type StepCounts, writeSteps } from "./bidirectional-steps.ts";

/** One rank's position in the steps, and its two directions, the one that reaches it first in front. */
export interface BidirectionalRank extends StepCounts {
  readonly directions: readonly [RankDirection, RankDirection];
}

/** A program of the eight steps, with the communication of the reference implementation or without any. */
export function bidirectionalProgram(
  schedule: string,
  sizes: ProgramSizes,
  placement: Placement,
  withCommunication: boolean,
  rankOf: (rank: number) => BidirectionalRank,
): Program {
  const { numRanks, numMicroBatches, forwardOnly = false } = sizes;
  const builder = new ActionListBuilder(numMicroBatches);
  const ranks = perRank(numRanks, (rank) => {
    const { directions, ...counts } = rankOf(rank);
    const actions = new BidirectionalActions(directions, { forwardOnly, withCommunication }, builder);
    writeSteps(actions, counts);
    return actions.finish();
  });
  return {
    schedule,
    numRanks,
    numStages: placement.numStages,
    numMicroBatches,
    forwardOnly,
    communication: withCommunication ? "batched" : "none",
    placement,
    ranks,
  };
}
