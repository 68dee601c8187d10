import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Float8Dtype, float8ToFloat32, float32ToFloat8 } from "./float8.ts";

const WRITTEN = ["F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ"] as const;
const EVERY_BYTE = Uint8Array.from({ length: 256 }, (_, byte) => byte);
const read = (dtype: Float8Dtype, ...bytes: number[]) => [...float8ToFloat32(dtype, Uint8Array.from(bytes))];
const write = (dtype: (typeof WRITTEN)[number], ...numbers: number[]) => [
  ...(float32ToFloat8(dtype, Float32Array.from(numbers)) ?? []),
];

describe("reading", () => {
  // The tables of "FP8 Formats for Deep Learning" and of torch.float8_e4m3fn, e5m2, e8m0fnu, e4m3fnuz and e5m2fnuz.
  test.each<[Float8Dtype, readonly (readonly [byte: number, value: number])[]]>([
    [
      "F8_E4M3",
      [
        [0x00, 0],
        [0x01, 2 ** -9],
        [0x08, 2 ** -6],
        [0x38, 1],
        [0x7e, 448],
        [0xfe, -448],
        [0x7f, NaN],
        [0xff, NaN],
        [0x80, -0],
      ],
    ],
    [
      "F8_E5M2",
      [
        [0x01, 2 ** -16],
        [0x04, 2 ** -14],
        [0x3c, 1],
        [0x7b, 57344],
        [0x7c, Infinity],
        [0xfc, -Infinity],
        [0x7d, NaN],
      ],
    ],
    [
      "F8_E4M3FNUZ",
      [
        [0x01, 2 ** -10],
        [0x40, 1],
        [0x7f, 240],
        [0x80, NaN],
        [0xff, -240],
      ],
    ],
    [
      "F8_E5M2FNUZ",
      [
        [0x01, 2 ** -17],
        [0x40, 1],
        [0x7f, 57344],
        [0x80, NaN],
      ],
    ],
    [
      "F8_E8M0",
      [
        [0x7f, 1],
        [0x80, 2],
        [0x00, 2 ** -127],
        [0xff, NaN],
      ],
    ],
  ])("%s", (dtype, values) => {
    expect(values.map(([byte]) => read(dtype, byte)[0])).toEqual(values.map(([, value]) => value));
  });
});

describe.each(WRITTEN)("writing %s", (dtype) => {
  const numbers = float8ToFloat32(dtype, EVERY_BYTE);

  test("gives the bytes of the numbers that were read", () => {
    const again = float32ToFloat8(dtype, numbers)!;
    expect(float8ToFloat32(dtype, again)).toEqual(numbers);
  });

  test("takes the nearest number", () => {
    const finite = numbers.filter((number) => Number.isFinite(number));
    const largest = Math.max(...finite);
    fc.assert(
      fc.property(fc.double({ min: -largest, max: largest, noNaN: true }), (number) => {
        const [byte] = write(dtype, number);
        const error = Math.abs(Math.fround(number) - read(dtype, byte!)[0]!);
        for (const other of finite) expect(error).toBeLessThanOrEqual(Math.abs(Math.fround(number) - other));
      }),
    );
  });
});

test("of two equally near numbers the even one is taken, as PyTorch does", () => {
  expect(write("F8_E4M3", 17, 19, -17, 464)).toEqual([0x58, 0x5a, 0xd8, 0x7e]);
});

test("a number beyond the largest is refused, where it would become infinite or NaN", () => {
  expect(float32ToFloat8("F8_E4M3", Float32Array.of(465))).toBeUndefined();
  expect(float32ToFloat8("F8_E5M2", Float32Array.of(-62000))).toBeUndefined();
  expect(write("F8_E5M2", Infinity, -Infinity, NaN)).toEqual([0x7c, 0xfc, 0x7f]);
  expect(write("F8_E4M3", Infinity)).toEqual([0x7f]);
});
