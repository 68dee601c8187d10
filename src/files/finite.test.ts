import { expect, test } from "vitest";
import { areFinite } from "./finite.ts";

const LARGEST = { F32: 3.4028234663852886e38, F64: Number.MAX_VALUE };
const bytesOf = (array: Float32Array | Float64Array | Uint16Array) =>
  new Uint8Array(array.buffer as ArrayBuffer);

test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
  "%d is found wherever it stands",
  (value) => {
    for (let at = 0; at < 3; at++) {
      const numbers = [1, -LARGEST.F32, 5e-324];
      expect(areFinite(bytesOf(new Float32Array(numbers)), "F32")).toBe(true);
      expect(areFinite(bytesOf(new Float64Array([...numbers, LARGEST.F64])), "F64")).toBe(true);
      numbers[at] = value;
      expect(areFinite(bytesOf(new Float32Array(numbers)), "F32")).toBe(false);
      expect(areFinite(bytesOf(new Float64Array(numbers)), "F64")).toBe(false);
    }
  },
);

test("16-bit floats have exponents of their own", () => {
  const largest = { F16: 0x7bff, BF16: 0x7f7f };
  for (const dtype of ["F16", "BF16"] as const) {
    expect(
      areFinite(bytesOf(new Uint16Array([largest[dtype], 0xffff & (largest[dtype] | 0x8000)])), dtype),
    ).toBe(true);
    expect(areFinite(bytesOf(new Uint16Array([0, largest[dtype] + 1])), dtype)).toBe(false);
  }
});

test("integers are finite", () => {
  expect(areFinite(new Uint8Array(8).fill(255), "I64")).toBe(true);
});
