// The programs that torch.distributed.pipelining wrote, compared with the same model run sequentially.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { Runtime } from "../../src/tensor/runtime.ts";
import { expectSequential } from "./gpt-comparison.ts";
import type { GptCase } from "./gpt-rank.ts";

interface RecordedSchedule {
  readonly schedule: string;
  readonly ranks: number;
  readonly stages: number;
  readonly microBatches: number;
  readonly computations: string;
  readonly withCommunication?: string;
}

const recorded = JSON.parse(
  readFileSync(new URL("../schedule/golden/torch-schedules.json", import.meta.url), "utf8"),
) as RecordedSchedule[];

/** Torch's own lists of 1F1B are faulty, as its test in test/schedule shows; the model has no more than 8 blocks. */
const usable = recorded.filter(({ schedule, stages }) => schedule !== "1F1B" && stages <= 8);

function casesOf(numRanks: number): GptCase[] {
  return usable
    .filter(({ ranks }) => ranks === numRanks)
    .flatMap(({ schedule, stages, microBatches, computations, withCommunication }) =>
      [computations, withCommunication ?? []].flat().map((csv) => ({
        schedule: `${schedule} of torch, ${stages} stages, ${microBatches} micro-batches`,
        csv,
        numStages: stages,
        tieEmbeddings: false,
        numMicroBatches: microBatches,
      })),
    );
}

const rankCounts = [...new Set(usable.map(({ ranks }) => ranks))];

test("every schedule of torch but 1F1B is among them", () => {
  expect(new Set(usable.map(({ schedule }) => schedule)).size).toBe(6);
});

test.each(rankCounts)("on %i ranks torch's programs train the GPT as the sequential model does", (numRanks) =>
  expectSequential(Runtime.load(), numRanks, casesOf(numRanks)),
);
