import { expect } from "vitest";
import { crossEntropy } from "../../src/autograd/operators/loss.ts";
import { runRanks } from "../../src/launch/run-ranks.ts";
import type { Runtime } from "../../src/tensor/runtime.ts";
import { smallGpt, tokenBatch } from "./gpt-model.ts";
import type { GptCase, GptReport } from "./gpt-rank.ts";
import { cosineDifference, runSequentially } from "./sequential.ts";
import { gradientsOf } from "./step-report.ts";

type Gradients = Readonly<Record<string, readonly number[] | null>>;

interface Expected {
  readonly losses: readonly number[];
  /** The gradients of the whole model, by name. */
  readonly gradients: Gradients;
}

function sequential(runtime: Runtime, { tieEmbeddings, numMicroBatches, numLayers }: GptCase): Expected {
  const model = smallGpt(runtime, tieEmbeddings, 1, undefined, numLayers);
  return runtime.scope(() => {
    const { inputs, targets } = tokenBatch(runtime, numMicroBatches);
    const batch = { inputs: [inputs], labels: [targets], numMicroBatches };
    const { losses } = runSequentially(model, batch, crossEntropy);
    return { losses, gradients: gradientsOf(model[0]!) };
  });
}

/** The gradients of all stages under the names that they have in the whole model. */
function wholeModel(reports: readonly GptReport[]): Gradients {
  return Object.assign({}, ...reports.flatMap(({ stages }) => stages.map(({ gradients }) => gradients)));
}

/** Runs each case on `numRanks` ranks, and expects the losses and gradients of the model run sequentially. */
export async function expectSequential(
  runtime: Runtime,
  numRanks: number,
  cases: readonly GptCase[],
): Promise<void> {
  const program = new URL("./gpt-rank.ts", import.meta.url);
  const { kind: device } = runtime.device;
  const reports = await runRanks<GptReport[]>(program, { numRanks, data: cases, device });
  const known = new Map<string, Expected>();
  cases.forEach((gptCase, i) => {
    const { schedule, tieEmbeddings, numMicroBatches, numLayers } = gptCase;
    const key = `${tieEmbeddings} ${numMicroBatches} ${numLayers}`;
    const expected = known.get(key) ?? sequential(runtime, gptCase);
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
}
