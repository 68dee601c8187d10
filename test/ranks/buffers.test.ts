// Buffers of layers that several ranks hold: after a step all have the mean of what each of them would have alone.
import { expect, test } from "vitest";
import { noGrad } from "../../src/autograd/grad-mode.ts";
import { narrow } from "../../src/autograd/operators/slice.ts";
import { runRanks } from "../../src/launch/run-ranks.ts";
import { Runtime } from "../../src/tensor/runtime.ts";
import type { BuffersCase, BuffersReport } from "./buffers-rank.ts";
import { NormalizedStage, NUM_ROWS, normalizedBatch } from "./normalized-model.ts";

const runtime = Runtime.load();
const PROGRAM = new URL("./buffers-rank.ts", import.meta.url);

/** The buffers of a stage that has seen these micro-batches, in this order. */
function buffersAfter(
  stage: number,
  microBatches: readonly number[],
  total: number,
): Record<string, number[]> {
  return runtime.scope(() => {
    const stages = Array.from({ length: stage + 1 }, (_, i) => new NormalizedStage(runtime, i));
    const batch = normalizedBatch(runtime, total);
    noGrad(runtime, () => {
      for (const microBatch of microBatches)
        stages.reduce((x, each) => each.call(x), narrow(batch, 0, microBatch * NUM_ROWS, NUM_ROWS));
    });
    return Object.fromEntries(
      stages[stage]!.namedBuffers().map(([name, buffer]) => [name, buffer.toArray()]),
    );
  });
}

const range = (start: number, end: number) => Array.from({ length: end - start }, (_, i) => start + i);

test.each<[BuffersCase, number, number[][]]>([
  // Each stage is held by one rank, which sees everything.
  [{ schedule: "1f1b", numReplicas: 1, numMicroBatches: 4 }, 2, [range(0, 4)]],
  [{ schedule: "dualpipe", numReplicas: 1, numMicroBatches: 8 }, 2, [range(0, 4), range(4, 8)]],
  [{ schedule: "dualpipev", numReplicas: 2, numMicroBatches: 4 }, 4, [range(0, 4), range(4, 8)]],
  // Modules in train mode count what they see without gradients too, and those in eval mode do not.
  ...[["forward only in train mode"] as const, ["training", "forward only in eval mode"] as const].flatMap(
    (steps): [BuffersCase, number, number[][]][] => [
      [{ schedule: "dualpipe", numReplicas: 1, numMicroBatches: 8, steps }, 2, [range(0, 4), range(4, 8)]],
      [{ schedule: "1f1b", numReplicas: 2, numMicroBatches: 4, steps }, 4, [range(0, 4), range(4, 8)]],
    ],
  ),
])("%j on %i ranks: the holders have seen %j", async (each, numRanks, seen) => {
  const reports = await runRanks<BuffersReport>(PROGRAM, { numRanks, data: each });
  const total = each.numReplicas * each.numMicroBatches;
  const checked = new Set<string>();
  for (const report of reports)
    for (const [stage, buffers] of Object.entries(report)) {
      const alone = seen.map((microBatches) => buffersAfter(Number(stage), microBatches, total));
      for (const name of ["norm.running_mean", "norm.running_var"])
        buffers[name]!.forEach((value, i) => {
          const mean = alone.reduce((sum, each) => sum + each[name]![i]!, 0) / alone.length;
          expect(value, `stage ${stage}, ${name}`).toBeCloseTo(mean, 12);
        });
      expect(buffers["norm.num_batches_tracked"]).toEqual([seen[0]!.length]);
      expect(buffers.mask).toEqual([Number.NEGATIVE_INFINITY, 0.1, 0]);
      // The same bits on all holders.
      const others = reports.filter((other) => other[Number(stage)] !== undefined);
      for (const other of others) expect(other[Number(stage)]).toEqual(buffers);
      if (others.length > 1) checked.add(stage);
    }
  expect(checked.size > 0).toBe(seen.length > 1);
});

test("holders with other buffers say so when their pipelines are constructed", async () => {
  const data: BuffersCase = { schedule: "dualpipe", numReplicas: 1, numMicroBatches: 4, withExtraBuffer: 1 };
  await expect(runRanks(PROGRAM, { numRanks: 2, data })).rejects.toThrow(
    /rank 1 expected the first values of its buffers: .*float32 \[2\].* from rank 0, which sent/,
  );
});
