// The models of examples/models: a step has the sequential model's losses, they fall, and no step leaves tensors.
import { runRanks } from "dualpipe";
import { expect, test } from "vitest";
import type { ModelReport, ModelRun } from "../../examples/models/main.ts";

const PROGRAM = new URL("../../examples/models/main.ts", import.meta.url);
const NUM_STEPS = 12;

const cases = ["resnet", "gru-lm", "vit"].flatMap((model) =>
  ["dualpipe", "dualpipev"].flatMap((schedule) =>
    [2, 4].map((numRanks) => [model, schedule, numRanks] as const),
  ),
);

test.each(cases)(
  "%s learns under %s on %i ranks, from the sequential model's losses",
  async (model, schedule, numRanks) => {
    const data: ModelRun = { model, schedule, numSteps: NUM_STEPS };
    const reports = await runRanks<ModelReport>(PROGRAM, { numRanks, data });
    const lossesOf = (step: number) => reports.flatMap(({ losses }) => losses[step]!);
    const first = lossesOf(0);
    expect(first.map(([microBatch]) => microBatch).sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    for (const [microBatch, loss] of first) expect(loss).toBe(reports[0]!.sequential[microBatch]);
    const meanOf = (step: number) => lossesOf(step).reduce((sum, [, loss]) => sum + loss, 0) / first.length;
    expect(meanOf(NUM_STEPS - 1)).toBeLessThan(0.9 * meanOf(0));
    // The optimizer's state is made in the first step, and weights are transposed once.
    for (const { numTensors } of reports) expect(new Set(numTensors.slice(1)).size).toBe(1);
  },
);
