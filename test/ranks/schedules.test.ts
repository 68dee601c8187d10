// One step of a small GPT under every schedule, beside the same model run sequentially.
import { expect, test } from "vitest";
import { crossEntropy } from "../../src/autograd/functions/loss.ts";
import { runRanks } from "../../src/launch/threads.ts";
import { buildProgram, schedules } from "../../src/schedule/index.ts";
import { Runtime } from "../../src/tensor/runtime.ts";
import { smallGpt, tokenBatch } from "./gpt-model.ts";
import type { GptCase, GptReport } from "./gpt-rank.ts";
import { cosineDifference, runSequentially } from "./sequential.ts";
import { gradientsOf } from "./step-report.ts";

const runtime = Runtime.load();

type Gradients = Readonly<Record<string, readonly number[] | null>>;

interface Expected {
  readonly losses: readonly number[];
  /** Of the whole model, by name. */
  readonly gradients: Gradients;
}

function sequential(tieEmbeddings: boolean, numMicroBatches: number): Expected {
  const model = smallGpt(runtime, tieEmbeddings, 1);
  return runtime.scope(() => {
    const { tokens, targets } = tokenBatch(runtime, numMicroBatches);
    const batch = { inputs: [tokens], labels: [targets], numMicroBatches };
    const { losses } = runSequentially(model, batch, crossEntropy);
    return { losses, gradients: gradientsOf(model[0]!) };
  });
}

/** The gradients of all stages under the names that they have in the whole model. */
function wholeModel(reports: readonly GptReport[]): Gradients {
  return Object.assign({}, ...reports.flatMap(({ stages }) => stages.map(({ gradients }) => gradients)));
}

function casesOf(numRanks: number): GptCase[] {
  return schedules.flatMap(({ name, constraints }) => {
    if (numRanks % (constraints.ranks.multipleOf ?? 1) !== 0) return [];
    const sizes = [
      2 * numRanks,
      ...(name.startsWith("dualpipe") || name === "interleaved" ? [] : [numRanks + 1]),
    ];
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
  async (numRanks) => {
    const cases = casesOf(numRanks);
    const program = new URL("./gpt-rank.ts", import.meta.url);
    const reports = await runRanks<GptReport[]>(program, { numRanks, data: cases });
    const known = new Map<string, Expected>();
    cases.forEach(({ schedule, tieEmbeddings, numMicroBatches }, i) => {
      const key = `${tieEmbeddings} ${numMicroBatches}`;
      const expected = known.get(key) ?? sequential(tieEmbeddings, numMicroBatches);
      known.set(key, expected);
      const ofCase = reports.map((ofRank) => ofRank[i]!);
      const losses: number[] = [];
      for (const { leaving, losses: ofRank } of ofCase)
        leaving.forEach((microBatch, k) => {
          losses[microBatch] = ofRank![k]!;
        });
      expect(losses, schedule).toEqual(expected.losses);
      const gradients = wholeModel(ofCase);
      for (const [name, wanted] of Object.entries(expected.gradients)) {
        const difference = Math.abs(cosineDifference(gradients[name]!, wanted!));
        expect(difference, `${schedule}: ${name}`).toBeLessThan(1e-13);
      }
    });
  },
);
