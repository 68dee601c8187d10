// One step of a small GPT under every schedule, compared with the same model run sequentially.
import { test } from "vitest";
import { buildProgram, schedules } from "../../src/schedule/index.ts";
import { Runtime } from "../../src/tensor/runtime.ts";
import { expectSequential } from "./gpt-comparison.ts";
import type { GptCase } from "./gpt-rank.ts";

const runtime = Runtime.load();

function casesOf(numRanks: number): GptCase[] {
  return schedules.flatMap(({ name, constraints }) => {
    if (numRanks % (constraints.ranks.multipleOf ?? 1) !== 0) return [];
    const sizes = [2 * numRanks, ...(name.startsWith("dualpipe") ? [] : [numRanks + 1])];
    return sizes.flatMap((numMicroBatches) => {
      const { numStages } = buildProgram(name, { numRanks, numMicroBatches });
      const canTie = name === "dualpipe" || name === "dualpipev" || name === "zbv";
      return [false, ...(canTie ? [true] : [])].map((tieEmbeddings) => ({
        schedule: name,
        numStages,
        tieEmbeddings,
        numMicroBatches,
      }));
    });
  });
}

test.each([1, 2, 3, 4])(
  "on %i ranks every schedule trains the GPT as the sequential model does",
  (numRanks) => expectSequential(runtime, numRanks, casesOf(numRanks)),
);
