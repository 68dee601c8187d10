// One step of a small GPT under every schedule on cards, compared with the same model run sequentially on one card.
import { expect, test } from "vitest";
import { buildProgram, schedules } from "../../src/schedule/index.ts";
import { Runtime } from "../../src/tensor/runtime.ts";
import { expectSequential } from "../ranks/gpt-comparison.ts";
import type { GptCase } from "../ranks/gpt-rank.ts";

const runtime = Runtime.load({ device: "cuda" });

test("the runtime is on a card", () => {
  expect(runtime.device.name).toBe("cuda:0");
});

function casesOf(numRanks: number): GptCase[] {
  return schedules.flatMap(({ name, constraints }) => {
    if (numRanks % (constraints.ranks.multipleOf ?? 1) !== 0) return [];
    const numMicroBatches = 2 * numRanks;
    const { numStages } = buildProgram(name, { numRanks, numMicroBatches });
    const canTie = name === "dualpipe" || name === "dualpipev" || name === "zbv";
    return [false, ...(canTie ? [true] : [])].map((tieEmbeddings) => ({
      schedule: name,
      numStages,
      tieEmbeddings,
      numMicroBatches,
      numLayers: 2 * numRanks,
    }));
  });
}

test.each([1, 2, 4, 8])(
  "on %i ranks every schedule trains the GPT as the sequential model does",
  (numRanks) => expectSequential(runtime, numRanks, casesOf(numRanks)),
);
