import { expect, test } from "vitest";
import { ShapeError } from "../tensor/errors.ts";
import { type ArrayColumn, arrayData } from "./array-data.ts";
import { DataSetError } from "./data-set.ts";

test("typed arrays keep their dtype, and nested numbers are float32 or what is asked for", () => {
  const elements = Float64Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
  const set = arrayData(
    {
      wide: { elements, shape: [3, 2, 2] },
      byte: Uint8Array.of(1, 2, 3),
      nested: [[1], [2], [3]],
      label: [2, 0, 1],
    },
    { label: "int64", byte: "float32" },
  );
  elements.fill(0);
  expect(set.numRows).toBe(3);
  expect(set.columns).toMatchObject({
    wide: { dtype: "float64", shape: [2, 2] },
    byte: { dtype: "float32", shape: [] },
    nested: { dtype: "float32", shape: [1] },
    label: { dtype: "int64", shape: [] },
  });
  expect(set.read("wide", [2, 0])).toEqual(Float64Array.of(9, 10, 11, 12, 1, 2, 3, 4));
  expect(set.read("nested", [1])).toEqual(Float32Array.of(2));
  expect(set.read("label", [0, 2])).toEqual(BigInt64Array.of(2n, 1n));
});

test.each<[string, Record<string, ArrayColumn>, string]>([
  ["no column", {}, "must have at least one column; got none"],
  ["rows that differ", { x: [1, 2], y: [1] }, "one number of rows; got 2 in x and 1 in y"],
  [
    "a shape that does not fit",
    { x: { elements: Float32Array.of(1, 2), shape: [3] } },
    "got [3] for 2 elements",
  ],
  [
    "no rows in the shape",
    { x: { elements: Float32Array.of(1), shape: [] } },
    "must have a size for the rows",
  ],
  [
    "a dtype that tensors lack",
    { x: new Int16Array(2) as never },
    "Int32Array or Uint8Array; got Int16Array",
  ],
])("%s is refused", (_, columns, message) => {
  expect(() => arrayData(columns)).toThrow(DataSetError);
  expect(() => arrayData(columns)).toThrow(message);
});

test.each([
  ["int64", 0.5],
  ["int32", 2 ** 31],
  ["uint8", -1],
] as const)("%s has no %d", (dtype, number) => {
  expect(() => arrayData({ x: [1, number] }, { x: dtype })).toThrow(
    `the elements of the column x must be whole numbers that ${dtype} has; got ${number} as element 1`,
  );
});

test("nested arrays of different lengths, and dtypes of no column, are refused", () => {
  expect(() => arrayData({ x: [[1], [1, 2]] })).toThrow(ShapeError);
  expect(() => arrayData({ x: [1] }, { y: "int64" })).toThrow(
    "no column y to give a dtype; its columns are x",
  );
});
