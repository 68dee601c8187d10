import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { permutation } from "../../data/permutation.ts";
import { BatchShape } from "./batch-shape.ts";
import { BatchSampler, type MicroBatch, validationBatches } from "./batches.ts";

/** Tokens whose values are their positions. */
function counting(length: number): Uint16Array {
  return Uint16Array.from({ length }, (_, index) => index);
}

const shapeArbitrary = fc
  .record({
    numMicroBatches: fc.integer({ min: 1, max: 4 }),
    microBatchSize: fc.integer({ min: 1, max: 3 }),
    sequenceLength: fc.integer({ min: 1, max: 9 }),
  })
  .map((sizes) => new BatchShape(sizes));

/** The first token of each row, after checking that rows are consecutive and targets one ahead. */
function rowStarts(microBatches: readonly MicroBatch[], shape: BatchShape): number[] {
  expect(microBatches).toHaveLength(shape.numMicroBatches);
  return microBatches.flatMap(({ inputs, targets }) => {
    expect(inputs).toHaveLength(shape.microBatchSize * shape.sequenceLength);
    expect(targets).toEqual(inputs.map((token) => token + 1n));
    return Array.from({ length: shape.microBatchSize }, (_, row) => {
      const start = inputs[row * shape.sequenceLength]!;
      const line = inputs.subarray(row * shape.sequenceLength, (row + 1) * shape.sequenceLength);
      expect([...line]).toEqual(Array.from(line, (_, column) => start + BigInt(column)));
      return Number(start);
    });
  });
}

describe("BatchSampler", () => {
  it("gives windows of the text with the token after each input as its target", () => {
    fc.assert(
      fc.property(
        shapeArbitrary,
        fc.integer({ min: 10, max: 300 }),
        fc.nat(),
        fc.nat(50),
        (shape, length, seed, step) => {
          rowStarts(new BatchSampler(counting(length), shape, seed).batchAt(step), shape);
        },
      ),
    );
  });

  it("gives every window once before any comes again, each pass in another order", () => {
    const shape = new BatchShape({ numMicroBatches: 2, microBatchSize: 2, sequenceLength: 5 });
    const sampler = new BatchSampler(counting(5 * 41 + 1), shape, 1);
    expect(sampler.numWindows).toBe(40);
    const passes = [0, 1].map((pass) =>
      Array.from({ length: 10 }, (_, step) => rowStarts(sampler.batchAt(pass * 10 + step), shape)).flat(),
    );
    const orders = passes.map((starts) => {
      const sorted = [...starts].sort((a, b) => a - b);
      expect(sorted).toEqual(Array.from({ length: 40 }, (_, window) => sorted[0]! + 5 * window));
      return starts.map((start) => start - sorted[0]!);
    });
    expect(orders[0]).not.toEqual(orders[1]);
  });

  it("gives a step the same batch whether or not it came there through others", () => {
    const shape = new BatchShape({ numMicroBatches: 2, microBatchSize: 3, sequenceLength: 4 });
    fc.assert(
      fc.property(fc.nat(), fc.array(fc.nat(40), { minLength: 1 }), (seed, steps) => {
        const used = new BatchSampler(counting(100), shape, seed);
        for (const step of steps) {
          expect(used.batchAt(step)).toEqual(new BatchSampler(counting(100), shape, seed).batchAt(step));
        }
      }),
    );
  });

  it("orders the text by the seed, always as it did", () => {
    const shape = new BatchShape({ numMicroBatches: 1, microBatchSize: 6, sequenceLength: 4 });
    const starts = (seed: number) =>
      rowStarts(new BatchSampler(counting(400), shape, seed).batchAt(0), shape).join(" ");
    expect([0, 1, 2 ** 32 + 1].map(starts)).toMatchInlineSnapshot(`
      [
        "324 348 36 240 184 248",
        "110 246 222 94 162 290",
        "289 205 33 105 349 73",
      ]
    `);
  });

  it("takes a text of just one window, and refuses a shorter one", () => {
    const shape = new BatchShape({ numMicroBatches: 1, microBatchSize: 2, sequenceLength: 9 });
    expect(rowStarts(new BatchSampler(counting(10), shape, 0).batchAt(3), shape)).toEqual([0, 0]);
    expect(() => new BatchSampler(counting(9), shape, 0)).toThrow(
      "the train text must have at least 10 tokens; got 9; use more text or a smaller training.sequenceLength",
    );
  });
});

describe("validationBatches", () => {
  it("spread windows over the whole text without overlap", () => {
    fc.assert(
      fc.property(shapeArbitrary, fc.integer({ min: 1, max: 3 }), fc.nat(200), (shape, numBatches, spare) => {
        const numRows = numBatches * shape.numMicroBatches * shape.microBatchSize;
        const length = numRows * shape.sequenceLength + 1 + spare;
        const batches = validationBatches(counting(length), shape, numBatches);
        expect(batches).toHaveLength(numBatches);
        const starts = batches.flatMap((batch) => rowStarts(batch, shape));
        starts.slice(1).forEach((start, row) => {
          expect(start - starts[row]!).toBeGreaterThanOrEqual(shape.sequenceLength);
        });
        expect(length - starts.at(-1)!).toBeLessThanOrEqual(2 * (length / numRows) + numRows);
      }),
    );
  });

  it("refuse a text with too few windows", () => {
    const shape = new BatchShape({ numMicroBatches: 2, microBatchSize: 2, sequenceLength: 4 });
    expect(() => validationBatches(counting(32), shape, 2)).toThrow(
      "the validation text must have at least 33 tokens; got 32",
    );
  });
});

describe("permutation", () => {
  it("has every number once", () => {
    fc.assert(
      fc.property(fc.nat(200), fc.array(fc.maxSafeNat()), (length, key) => {
        expect([...permutation(length, key)].sort((a, b) => a - b)).toEqual([...Array(length).keys()]);
      }),
    );
  });

  it("puts no number in one place more often than chance would", () => {
    const numKeys = 2400;
    const counts = Array.from({ length: 4 }, () => [0, 0, 0, 0]);
    for (let key = 0; key < numKeys; key++) {
      permutation(4, [key]).forEach((value, place) => {
        counts[place]![value]! += 1;
      });
    }
    // Expected 600 each, with a standard deviation of 21.
    for (const count of counts.flat()) {
      expect(Math.abs(count - 600)).toBeLessThan(110);
    }
  });
});
