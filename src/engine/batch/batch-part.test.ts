// The rows that a rank gets are those of its micro-batches: each row once in the whole run, and the labels of a
// micro-batch those of its inputs, wherever the two are needed.
import fc from "fast-check";
import { expect, test } from "vitest";
import { failOnLeaks } from "../../../test/leak-guard.ts";
import { buildProgram, schedules } from "../../schedule/index.ts";
import { Runtime } from "../../tensor/runtime.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { scatter } from "../micro-batches.ts";
import { microBatchesAt } from "../step-data.ts";
import { BatchParts } from "./batch-part.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);

interface Sizes {
  readonly schedule: string;
  readonly numRanks: number;
  readonly numMicroBatches: number;
  readonly numReplicas: number;
}

const endsAt =
  ({ schedule, numRanks }: Sizes, rank: number) =>
  (numMicroBatches: number) =>
    microBatchesAt(buildProgram(schedule, { numRanks, numMicroBatches }), rank);

const partsAt = (sizes: Sizes, replica: number, rank: number, batchDim = 0) =>
  new BatchParts({ rank, numReplicas: sizes.numReplicas, replica, batchDim, endsOf: endsAt(sizes, rank) });

/** The rows of each micro-batch of the run, as `step` cuts them out of the parts that the ranks get. */
function cutByStep(sizes: Sizes, numRows: number) {
  const { numRanks, numReplicas, numMicroBatches } = sizes;
  const rows = { inputs: new Map<number, number[]>(), labels: new Map<number, number[]>() };
  const whole = runtime.arange(numRows);
  for (let replica = 0; replica < numReplicas; replica++)
    for (let rank = 0; rank < numRanks; rank++) {
      const { inputs, labels } = partsAt(sizes, replica, rank).partOf(
        { inputs: whole, labels: [whole] },
        numMicroBatches,
      );
      const { entering, leaving } = endsAt(sizes, rank)(numMicroBatches);
      expect([inputs === null, labels.length]).toEqual([entering.length === 0, Math.min(1, leaving.length)]);
      for (const [tensors, microBatches, into] of [
        [inputs === null ? [] : [inputs as Tensor], entering, rows.inputs],
        [labels, leaving, rows.labels],
      ] as const)
        scatter(tensors, microBatches.length, 0).forEach(([part], i) => {
          into.set(replica * numMicroBatches + microBatches[i]!, part!.toArray());
          part!.dispose();
        });
    }
  return rows;
}

test("every row enters once, and the labels of a micro-batch are those of its inputs", () => {
  const cases = fc.record({
    schedule: fc.constantFrom(...schedules.map(({ name }) => name)),
    numRanks: fc.constantFrom(2, 4),
    times: fc.integer({ min: 1, max: 2 }),
    numReplicas: fc.integer({ min: 1, max: 3 }),
    numExtraRows: fc.integer({ min: 0, max: 20 }),
  });
  fc.assert(
    fc.property(cases, ({ schedule, numRanks, times, numReplicas, numExtraRows }) =>
      runtime.scope(() => {
        const numMicroBatches = 2 * numRanks * times;
        const numRows = numReplicas * numMicroBatches + numExtraRows;
        const { inputs, labels } = cutByStep({ schedule, numRanks, numMicroBatches, numReplicas }, numRows);
        expect([...inputs.values()].flat().sort((a, b) => a - b)).toEqual([...Array(numRows).keys()]);
        expect(new Map([...labels].sort(([a], [b]) => a - b))).toEqual(
          new Map([...inputs].sort(([a], [b]) => a - b)),
        );
      }),
    ),
    { numRuns: 40 },
  );
});

const dualpipe = { schedule: "dualpipe", numRanks: 2, numMicroBatches: 4, numReplicas: 1 };

test("under DualPipe a rank gets one half of the inputs, and the labels of the other", () => {
  expect(partsAt(dualpipe, 0, 0).rowsOf(9, 4)).toEqual({ inputs: [0, 1, 2, 3, 4], labels: [5, 6, 7, 8] });
  expect(partsAt(dualpipe, 0, 1).rowsOf(9, 4)).toEqual({ inputs: [5, 6, 7, 8], labels: [0, 1, 2, 3, 4] });
});

test("a replica gets its own part of the batch", () => {
  expect(partsAt({ ...dualpipe, numReplicas: 2 }, 1, 0).rowsOf(8, 4)).toEqual({
    inputs: [4, 5],
    labels: [6, 7],
  });
});

test("rows that do not follow each other are copied together", () => {
  const ends = { entering: [0, 3], leaving: [1] };
  const parts = new BatchParts({ rank: 0, numReplicas: 1, replica: 0, batchDim: 1, endsOf: () => ends });
  runtime.scope(() => {
    const x = runtime.tensor([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
    ]);
    const { inputs, labels } = parts.partOf({ inputs: [x, null], labels: [x] }, 4);
    const [first, second] = inputs as readonly (Tensor | null)[];
    expect([first!.shape, first!.toArray(), second]).toEqual([[2, 2], [0, 3, 4, 7], null]);
    expect((labels[0] as Tensor).toArray()).toEqual([1, 5]);
  });
});

test.each<[string, (x: Tensor) => unknown, string]>([
  [
    "too few rows",
    (x) => partsAt({ ...dualpipe, numReplicas: 2 }, 0, 0).partOf({ inputs: x }, 4),
    "dualpipe: rank 0: a batch of 6 rows cannot be cut into 4 micro-batches of each of 2 replicas; it needs a row for each, 8",
  ],
  [
    "tensors of different lengths",
    (x) => partsAt(dualpipe, 0, 1).partOf({ inputs: x, labels: [runtime.ones([5])] }, 4),
    "dualpipe: rank 1: the tensors of a batch must have one number of rows, in dimension 0; got the shapes [6, 2] and [5]",
  ],
  [
    "no tensor",
    () => partsAt(dualpipe, 0, 0).partOf({ inputs: null }, 4),
    "dualpipe: rank 0: a batch must have at least one tensor; got none",
  ],
])("%s: refused", (_, take, message) => {
  runtime.scope(() => expect(() => take(runtime.ones([6, 2]))).toThrow(message));
});
