import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { writePng } from "../../test/data/write-png.ts";
import { failOnLeaks } from "../../test/leak-guard.ts";
import { OptionError } from "../errors/option-error.ts";
import { Runtime } from "../tensor/runtime.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { arrayData } from "./array-data.ts";
import { DataLoader, type DataLoaderOptions } from "./data-loader.ts";
import { DataSetError } from "./data-set.ts";
import { imageFolder } from "./image-folder.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);
const root = mkdtempSync(join(tmpdir(), "dualpipe-loader-"));
afterAll(() => rmSync(root, { recursive: true }));

/** A set whose label is the number of its row, and whose input is three times that. */
function counting(numRows: number) {
  const numbers = Array.from({ length: numRows }, (_, row) => row);
  return arrayData({ x: numbers.map((row) => [3 * row]), y: numbers }, { y: "int64" });
}

const COLUMNS = { inputs: ["x"], labels: ["y"] };

/** The labels of an epoch's batches, whose inputs are checked to be theirs. */
function labelsOf(loader: DataLoader, epoch: number, firstBatch?: number): number[][] {
  return Array.from(batchesOf(loader, epoch, firstBatch));
}

function* batchesOf(loader: DataLoader, epoch: number, firstBatch?: number): Generator<number[]> {
  let next = firstBatch ?? 0;
  for (const { inputs, labels, numRows, batchIndex } of loader.epoch(epoch, { firstBatch })) {
    const values = labels[0]!.toArray();
    expect(inputs![0]!.toArray()).toEqual(values.map((value) => 3 * value));
    expect([inputs![0]!.shape, labels[0]!.dtype, numRows]).toEqual([
      [values.length, 1],
      "int64",
      values.length,
    ]);
    expect(batchIndex).toBe(next++);
    yield values;
  }
}

test("an epoch has each row once, in an order that seed and epoch decide, and goes on at any batch", () => {
  const cases = fc.record({
    numRows: fc.integer({ min: 1, max: 40 }),
    batchSize: fc.integer({ min: 1, max: 12 }),
    seed: fc.integer({ min: 0, max: 3 }),
    epoch: fc.integer({ min: 0, max: 3 }),
    shuffle: fc.boolean(),
    dropLast: fc.boolean(),
    firstBatch: fc.integer({ min: 0, max: 4 }),
  });
  fc.assert(
    fc.property(cases, ({ numRows, epoch, firstBatch, ...options }) => {
      fc.pre(!options.dropLast || options.batchSize <= numRows);
      const loader = new DataLoader(runtime, counting(numRows), { ...COLUMNS, ...options });
      const batches = labelsOf(loader, epoch);
      expect(batches).toHaveLength(loader.numBatches);
      const rows = batches.flat();
      expect(new Set(rows).size).toBe(rows.length);
      const { batchSize, dropLast, shuffle } = options;
      expect(rows).toHaveLength(dropLast ? numRows - (numRows % batchSize) : numRows);
      for (const batch of batches.slice(0, -1)) expect(batch).toHaveLength(batchSize);
      if (!shuffle) expect(rows).toEqual(rows.map((_, i) => i));
      const again = new DataLoader(runtime, counting(numRows), { ...COLUMNS, ...options });
      expect(labelsOf(again, epoch, firstBatch)).toEqual(batches.slice(firstBatch));
    }),
    { numRuns: 60 },
  );
});

test("epochs and seeds have orders of their own", () => {
  const orderOf = (seed: number, epoch: number) =>
    labelsOf(
      new DataLoader(runtime, counting(50), { ...COLUMNS, batchSize: 50, shuffle: true, seed }),
      epoch,
    )[0]!;
  const orders = [orderOf(0, 0), orderOf(0, 1), orderOf(1, 0), orderOf(1, 1)].map(String);
  expect(new Set([...orders, String(Array.from({ length: 50 }, (_, i) => i))]).size).toBe(5);
});

test("a thread that reads ahead gives the same batches, also in two loops at once and after one that ended early", () => {
  const options = { ...COLUMNS, batchSize: 4, shuffle: true };
  const plain = new DataLoader(runtime, counting(30), options);
  using ahead = new DataLoader(runtime, counting(30), { ...options, prefetch: 3 });
  for (const _ of ahead.epoch(0)) break;
  expect(Array.from(batchesOf(ahead, 1))).toEqual(Array.from(batchesOf(plain, 1)));
  expect(labelsOf(ahead, 1, 5)).toEqual(labelsOf(plain, 1, 5));
  const [two, three] = [batchesOf(ahead, 2), batchesOf(ahead, 3)];
  const both = [two.next().value, three.next().value, three.next().value, two.next().value];
  const [first, second] = [2, 3].map((epoch) => Array.from(batchesOf(plain, epoch)));
  expect(both).toEqual([first![0], second![0], second![1], first![1]]);
  for (const each of [two, three]) each.return(undefined);
});

test("a rank reads the rows that it needs and no others", () => {
  const read: [string, readonly number[]][] = [];
  const set = counting(10);
  const spy = {
    numRows: 10,
    columns: set.columns,
    read: (column: string, rows: readonly number[]) => {
      read.push([column, rows]);
      return set.read(column, rows);
    },
  };
  const partOf = (rowsOf: DataLoaderOptions["rowsOf"]) => {
    const loader = new DataLoader(runtime, spy, { ...COLUMNS, batchSize: 4, rowsOf });
    const seen: unknown[] = [];
    for (const { inputs, labels, numRows } of loader.epoch(0))
      seen.push([inputs?.[0]?.toArray() ?? null, labels[0]?.toArray() ?? null, numRows]);
    return seen;
  };
  expect(partOf((numRows) => ({ inputs: [], labels: [numRows - 1] }))).toEqual([
    [null, [3], 4],
    [null, [7], 4],
    [null, [9], 2],
  ]);
  expect(read).toEqual([
    ["y", [3]],
    ["y", [7]],
    ["y", [9]],
  ]);
  expect(partOf(() => ({ inputs: [1, 0], labels: [] }))[1]).toEqual([[15, 12], null, 4]);
  expect(() => new DataLoader(runtime, spy, { ...COLUMNS, batchSize: 4, prefetch: 1 })).toThrow(
    /prefetch of DataLoader must be 0 for a data set without `origin`.* got 1/,
  );
});

test("a batch's tensors live until the next batch", () => {
  const loader = new DataLoader(runtime, counting(6), { ...COLUMNS, batchSize: 2 });
  const baseline = runtime.addon.numTensors();
  const seen: Tensor[] = [];
  for (const { labels } of loader.epoch(0)) {
    expect(runtime.addon.numTensors()).toBe(baseline + 2);
    seen.push(labels[0]!);
  }
  expect(runtime.addon.numTensors()).toBe(baseline);
  expect(() => seen[0]!.toArray()).toThrow(/disposed/);
});

test("images are decoded in the thread, and its errors keep their class and file", () => {
  const folder = join(root, "images");
  for (let i = 0; i < 3; i++) writePng(join(folder, i % 2 ? "odd" : "even", `${i}.png`), 1, [i, 0, 0, 255]);
  const options = { batchSize: 2, inputs: ["image"], labels: ["label"], prefetch: 2 };
  using loader = new DataLoader(runtime, imageFolder(folder), options);
  const reds = [];
  for (const { inputs, labels } of loader.epoch(0))
    reds.push([inputs![0]!.toArray().filter((_, i) => i % 3 === 0), labels[0]!.toArray()]);
  expect(reds).toEqual([
    [
      [0, Math.fround(2 / 255)],
      [0, 0],
    ],
    [[Math.fround(1 / 255)], [1]],
  ]);
  writeFileSync(join(folder, "odd", "1.png"), "GIF");
  const failing = () => Array.from(loader.epoch(1));
  expect(failing).toThrow(DataSetError);
  expect(failing).toThrow(/1\.png must be a PNG/);
  rmSync(join(folder, "odd", "1.png"));
  expect(failing).toThrow(expect.objectContaining({ code: "FILE_UNUSABLE", name: "FileError" }));
});

test.each<[Partial<DataLoaderOptions>, string]>([
  [{ batchSize: 0 }, "batchSize of DataLoader must be a whole number from 1; got 0"],
  [{ batchSize: 11, dropLast: true }, "must be at most the 10 rows of the data set with dropLast; got 11"],
  [{ inputs: ["z"] }, "inputs of DataLoader: the data set has no column z"],
  [{ inputs: "x" as never }, 'inputs of DataLoader must be a list of columns; got "x"'],
  [{ prefetch: -1 }, "prefetch of DataLoader must be a whole number from 0; got -1"],
  [{ batch_size: 3 } as never, "DataLoader has no option batch_size; did you mean batchSize?"],
])("%o is refused", (options, message) => {
  const make = () => new DataLoader(runtime, counting(10), { batchSize: 2, ...COLUMNS, ...options });
  expect(make).toThrow(OptionError);
  expect(make).toThrow(message);
});
