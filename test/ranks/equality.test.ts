// Losses, outputs and gradients of both bidirectional schedules, compared with the same model run sequentially.
import { expect, test } from "vitest";
import { mseLoss } from "../../src/autograd/operators/loss.ts";
import { runRanks } from "../../src/launch/run-ranks.ts";
import type { DType } from "../../src/tensor/dtype.ts";
import { Runtime } from "../../src/tensor/runtime.ts";
import { type MlpSizes, mlpStage, wholeBatch } from "./mlp-model.ts";
import type { MlpCase } from "./mlp-rank.ts";
import { cosineDifference, runSequentially, type SequentialResult } from "./sequential.ts";
import { gradientsOf, type StepReport } from "./step-report.ts";

const runtime = Runtime.load();

interface Expected extends SequentialResult {
  readonly gradients: readonly Record<string, number[] | null>[];
}

function sequential(numStages: number, sizes: MlpSizes): Expected {
  const stages = Array.from({ length: numStages }, (_, stage) => mlpStage(runtime, sizes, stage));
  return runtime.scope(() => {
    const { inputs, targets } = wholeBatch(runtime, sizes);
    const batch = { inputs: [inputs], labels: [targets], numMicroBatches: sizes.numMicroBatches };
    const result = runSequentially(stages, batch, mseLoss);
    const gradients = stages.map(gradientsOf);
    for (const stage of stages) stage.dispose();
    return { ...result, gradients };
  });
}

/** The micro-batches that leave at each rank. */
function leavingAt({ schedule, sizes: { numMicroBatches } }: MlpCase, rank: number, numRanks: number) {
  if (schedule === "dualpipev") return rank === 0 ? { from: 0, to: numMicroBatches } : undefined;
  if (rank === numRanks - 1) return { from: 0, to: numMicroBatches / 2 };
  return rank === 0 ? { from: numMicroBatches / 2, to: numMicroBatches } : undefined;
}

function checkCase(mlpCase: MlpCase, reports: readonly StepReport[], expected: Expected): void {
  const { schedule, mode, returnOutputs, numSteps } = mlpCase;
  reports.forEach(({ losses, outputs, stages }, rank) => {
    const leaving = leavingAt(mlpCase, rank, reports.length);
    expect(losses).toEqual(
      leaving && mode !== "predict" ? expected.losses.slice(leaving.from, leaving.to) : null,
    );
    expect(outputs).toEqual(
      leaving && returnOutputs ? expected.outputs.slice(leaving.from, leaving.to) : null,
    );
    const mirror = reports[reports.length - 1 - rank]!;
    for (const { stage, gradients } of stages) {
      if (mode !== "train") {
        expect(Object.values(gradients)).toEqual([null, null]);
        continue;
      }
      for (const [name, values] of Object.entries(gradients)) {
        const once = expected.gradients[stage]![name]!;
        const wanted = once.map((value) => numSteps * value);
        expect(Math.abs(cosineDifference(values!, wanted))).toBeLessThan(1e-13);
      }
      if (schedule === "dualpipe")
        expect(mirror.stages.find((other) => other.stage === stage)!.gradients).toEqual(gradients);
    }
  });
}

function mlpCase(
  schedule: MlpCase["schedule"],
  numMicroBatches: number,
  dtype: DType,
  rest: Partial<MlpCase> = {},
): MlpCase {
  const sizes = { hidden: 16, sequence: 3, microBatchSize: 2, numMicroBatches, dtype };
  return { schedule, sizes, mode: "train", returnOutputs: false, numSteps: 1, ...rest };
}

function casesOf(schedule: MlpCase["schedule"], numRanks: number): MlpCase[] {
  const all: MlpCase[] = [];
  for (const numMicroBatches of new Set([2 * numRanks, 2 * numRanks + 2, 20]))
    for (const dtype of ["float32", "float64"] as const)
      for (const returnOutputs of [false, true])
        all.push(mlpCase(schedule, numMicroBatches, dtype, { returnOutputs }));
  const numMicroBatches = 2 * numRanks + 2;
  for (const mode of ["evaluate", "predict"] as const)
    for (const returnOutputs of [false, true])
      all.push(mlpCase(schedule, numMicroBatches, "float32", { mode, returnOutputs }));
  all.push(mlpCase(schedule, numMicroBatches, "float32", { numSteps: 2 }));
  all.push(mlpCase(schedule, numMicroBatches, "float32", { numSteps: 3 }));
  return all;
}

const worlds: readonly [MlpCase["schedule"], number][] = [
  ["dualpipe", 2],
  ["dualpipe", 4],
  ["dualpipe", 8],
  ["dualpipev", 1],
  ["dualpipev", 2],
  ["dualpipev", 3],
  ["dualpipev", 4],
];

test.each(worlds)("%s on %i ranks equals the sequential model", async (schedule, numRanks) => {
  const cases = casesOf(schedule, numRanks);
  const program = new URL("./mlp-rank.ts", import.meta.url);
  const reports = await runRanks<StepReport[]>(program, { numRanks, data: cases });
  const numStages = schedule === "dualpipev" ? 2 * numRanks : numRanks;
  const known = new Map<string, Expected>();
  cases.forEach((each, i) => {
    const key = JSON.stringify(each.sizes);
    const expected = known.get(key) ?? sequential(numStages, each.sizes);
    known.set(key, expected);
    const ofCase = reports.map((ofRank) => ofRank[i]!);
    checkCase(each, ofCase, expected);
  });
});
