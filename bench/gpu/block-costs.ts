// Costs of a model's blocks, measured under one schedule, as the costs of another schedule's stages.
//
// A schedule decides how many stages a model is cut into, so the stage costs of one schedule say nothing about those of
// another. Its blocks are the same under every schedule. So the measured costs of stages are taken apart into blocks,
// and put together for the stages of the other schedule. Two blocks are special: the first has no input gradient, and
// the last has the loss. What they have less or more is what their stages have, compared with the stages between.
import { type CostModel, costOf, type Profile } from "../../src/schedule/index.ts";

type Kind = "F" | "I" | "W" | "B";

/**
 * The costs of a schedule with `numStages` stages.
 * @param profile Of a run of the same model, ms per stage.
 * @param numBlocks Of the whole model, a multiple of both numbers of stages.
 */
export function costOfStages(profile: Profile, numBlocks: number, numStages: number): CostModel {
  const costs = (kind: Kind): number[] => {
    const blocks = blockCosts(profile, kind, numBlocks);
    const perStage = numBlocks / numStages;
    return Array.from({ length: numStages }, (_, stage) =>
      sum(blocks.slice(stage * perStage, (stage + 1) * perStage)),
    );
  };
  return { ...costOf(profile), F: costs("F"), I: costs("I"), W: costs("W"), B: costs("B") };
}

function blockCosts(profile: Profile, kind: Kind, numBlocks: number): number[] {
  const stages = profile[kind];
  const perStage = numBlocks / stages.length;
  const between = stages.slice(1, -1);
  // Without stages between, that end serves which is not special in this kind.
  const ordinaryEnd = kind === "F" ? stages[0]! : stages.at(-1)!;
  const ordinary = (between.length > 0 ? sum(between) / between.length : ordinaryEnd) / perStage;
  const blocks = new Array<number>(numBlocks).fill(ordinary);
  blocks[0]! += stages[0]! - perStage * ordinary;
  blocks[numBlocks - 1]! += stages.at(-1)! - perStage * ordinary;
  return blocks;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
