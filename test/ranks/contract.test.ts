// What may travel through a pipeline, and where it may run, compared with the same model run sequentially.
import { expect, test } from "vitest";
import { runRanks } from "../../src/launch/run-ranks.ts";
import { Runtime } from "../../src/tensor/runtime.ts";
import { mixedBatch, mixedStages, noLabels, severalLabels } from "./mixed-model.ts";
import { batchSeed, type MixedCase, type MixedReport } from "./mixed-rank.ts";
import { cosineDifference, runSequentially, type SequentialResult } from "./sequential.ts";
import { gradientsOf, type StageGradients } from "./step-report.ts";

const runtime = Runtime.load();

const plain = {
  schedule: "dualpipe",
  batchDim: 0,
  batchSizes: [8, 8],
  numMicroBatches: 8,
  labels: "several",
} as const;

const cases: readonly MixedCase[] = [
  { ...plain, name: "several tensors, absent ones, and ones without a gradient" },
  { ...plain, name: "micro-batches of different sizes", batchSizes: [11, 14] },
  { ...plain, name: "the batch in the second dimension", batchDim: 1, batchSizes: [9, 8] },
  { ...plain, name: "a criterion without labels", labels: "none" },
  { ...plain, name: "ranks in another order", rankMapping: [2, 0, 3, 1] },
  {
    ...plain,
    name: "two pipelines side by side",
    groups: [
      [0, 2],
      [3, 1],
    ],
    numMicroBatches: 4,
  },
  {
    ...plain,
    name: "two pipelines side by side, in another order",
    groups: [
      [3, 0],
      [1, 2],
    ],
    rankMapping: [1, 0],
    numMicroBatches: 4,
  },
  { ...plain, name: "DualPipeV", schedule: "dualpipev", batchSizes: [19] },
  {
    ...plain,
    name: "DualPipeV in another order, the batch in the second dimension",
    schedule: "dualpipev",
    rankMapping: [3, 1, 0, 2],
    batchDim: 1,
    batchSizes: [9],
  },
];

const reports: Promise<MixedReport[][]> = runRanks(new URL("./mixed-rank.ts", import.meta.url), {
  numRanks: 4,
  data: cases,
});

/** The results of one pipeline by direction, and the gradients of its stages. */
function sequential(mixedCase: MixedCase, pipeline: number, numStages: number) {
  const { batchDim, batchSizes, numMicroBatches, labels } = mixedCase;
  const indices = Array.from({ length: numStages }, (_, index) => index);
  const stages = mixedStages(runtime, pipeline, indices);
  const directions = batchSizes.map(
    (batchSize, direction): SequentialResult =>
      runtime.scope(() => {
        const batch = mixedBatch(runtime, batchSeed(pipeline, direction), { batchSize, batchDim, numStages });
        const options = { ...batch, ...(labels === "none" ? { labels: [] } : {}), batchDim };
        const numMicroBatchesHere = numMicroBatches / batchSizes.length;
        return runSequentially(
          stages,
          { ...options, numMicroBatches: numMicroBatchesHere },
          labels === "none" ? noLabels : severalLabels,
        );
      }),
  );
  return { directions, gradients: stages.map(gradientsOf) };
}

/** The direction whose micro-batches leave at a rank of the pipeline. */
function directionLeavingAt({ schedule }: MixedCase, pipelineRank: number, numRanks: number) {
  if (schedule === "dualpipev") return pipelineRank === 0 ? 0 : undefined;
  if (pipelineRank === 0) return 1;
  return pipelineRank === numRanks - 1 ? 0 : undefined;
}

test.each(cases.map((each, i) => [each.name, i] as const))("%s", async (_name, i) => {
  const mixedCase = cases[i]!;
  const ofCase = (await reports).map((ofRank) => ofRank[i]!);
  const { groups = [ofCase.map((_, rank) => rank)], schedule } = mixedCase;
  groups.forEach(({ length: numRanks }, pipeline) => {
    const expected = sequential(mixedCase, pipeline, schedule === "dualpipev" ? 2 * numRanks : numRanks);
    for (const report of ofCase.filter((each) => each.pipeline === pipeline)) {
      const direction = directionLeavingAt(mixedCase, report.pipelineRank, numRanks);
      const leaving = direction === undefined ? undefined : expected.directions[direction];
      expect(report.losses).toEqual(leaving?.losses ?? null);
      expect(report.outputs).toEqual(leaving?.outputs ?? null);
      for (const { stage, gradients } of report.stages) expectClose(gradients, expected.gradients[stage]!);
    }
  });
});

function expectClose(gradients: StageGradients["gradients"], wanted: StageGradients["gradients"]): void {
  expect(Object.keys(gradients)).toEqual(Object.keys(wanted));
  for (const [name, values] of Object.entries(gradients)) {
    if (name === "frozen") expect(values).toBeNull();
    else expect(Math.abs(cosineDifference(values!, wanted[name]!)), name).toBeLessThan(1e-13);
  }
}
