// One step of a small GPT under programs that were adapted to costs, compared with the same model run sequentially.
import { expect, test } from "vitest";
import {
  adaptProgram,
  buildProgram,
  type CostModel,
  formatProgram,
  formatProgramCsv,
} from "../../src/schedule/index.ts";
import { Runtime } from "../../src/tensor/runtime.ts";
import { expectSequential } from "./gpt-comparison.ts";
import type { GptCase } from "./gpt-rank.ts";

const runtime = Runtime.load();

const COSTS: Readonly<Record<string, CostModel>> = {
  "a dear link": { F: 1, I: 1, W: 1, link: { latency: 1 } },
  "a heavy last stage": { F: [1, 1, 1, 2], I: [1, 1, 1, 2], W: [1, 1, 1, 2], link: { latency: 0.1 } },
  "fast pairs and a cheap W": { F: 1, I: 1, W: 0.2, pairShare: 0.8, link: { latency: 0.2 } },
};

test("adapted programs train the GPT as the sequential model does, with the same losses bit for bit", async () => {
  const cases = Object.entries(COSTS).flatMap(([about, cost]): GptCase[] => {
    const fixed = buildProgram("dualpipe", { numRanks: 4, numMicroBatches: 10 });
    const { program } = adaptProgram(fixed, { cost, numTrials: 100 });
    expect(formatProgram(program), about).not.toEqual(formatProgram(fixed));
    return [
      {
        schedule: `dualpipe adapted to ${about}`,
        csv: formatProgramCsv(program),
        numStages: 4,
        tieEmbeddings: false,
        numMicroBatches: 10,
      },
    ];
  });
  await expectSequential(runtime, 4, cases);
});
