import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { failOnLeaks } from "../../../test/leak-guard.ts";
import { Parameter } from "../../autograd/parameter.ts";
import { Runtime } from "../runtime.ts";
import { describe as describeTensor } from "../shape.ts";
import type { Tensor } from "../tensor.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);

describe("console.log shows dtype, shape and values of", () => {
  test.each<[string, () => Tensor, string]>([
    ["a number", () => runtime.full([], 1.5), "Tensor float32[] 1.5"],
    [
      "a matrix",
      () =>
        runtime.tensor([
          [1, 2],
          [3, 0.1],
        ]),
      "Tensor float32[2, 2] [[1, 2], [3, 0.1]]",
    ],
    ["int64", () => runtime.arange(3), "Tensor int64[3] [0, 1, 2]"],
    ["bool", () => runtime.tensor([true, false], [2], "bool"), "Tensor bool[2] [true, false]"],
    ["bfloat16", () => runtime.tensor([1, -0.5], [2], "bfloat16"), "Tensor bfloat16[2] [1, -0.5]"],
    ["no element", () => runtime.ones([0, 3]), "Tensor float32[0, 3] []"],
    ["rows without elements", () => runtime.ones([2, 0]), "Tensor float32[2, 0] [[], []]"],
    [
      "special numbers",
      () => runtime.tensor([Infinity, NaN, 1e-9]),
      "Tensor float32[3] [Infinity, NaN, 1e-9]",
    ],
    [
      "more than a line",
      () => runtime.tensor(Array.from({ length: 4 }, (_, i) => Array.from({ length: 8 }, (_, j) => i * j))),
      `Tensor float32[4, 8] [[ 0,  0,  0,  0,  0,  0,  0,  0],
 [ 0,  1,  2,  3,  4,  5,  6,  7],
 [ 0,  2,  4,  6,  8, 10, 12, 14],
 [ 0,  3,  6,  9, 12, 15, 18, 21]]`,
    ],
    [
      "a large matrix, without its middle",
      () =>
        runtime.tensor(
          Array.from({ length: 2000 }, (_, i) => i),
          [4, 500],
        ),
      `Tensor float32[4, 500] [[   0,    1,    2, ...,  497,  498,  499],
 [ 500,  501,  502, ...,  997,  998,  999],
 [1000, 1001, 1002, ..., 1497, 1498, 1499],
 [1500, 1501, 1502, ..., 1997, 1998, 1999]]`,
    ],
    ["a million", () => runtime.zeros([1000, 1000, 1]), ""],
  ])("%s", (_, make, text) => {
    runtime.scope(() => {
      const tensor = make();
      if (text !== "") expect(inspect(tensor)).toBe(text);
      expect(`${tensor}`).toBe(inspect(tensor));
      expect(inspect(tensor).length).toBeLessThan(400);
    });
  });

  test("a parameter, which is no plain tensor", () => {
    using weight = new Parameter(runtime.ones([2]));
    expect(inspect({ weight })).toBe("{ weight: Parameter float32[2] [1, 1] }");
  });

  test("a tensor deep inside of an object: dtype and shape", () => {
    runtime.scope(() => {
      const batch = { a: { b: { c: { x: runtime.ones([2]) } } } };
      expect(inspect(batch.a.b, { depth: 0 })).toBe("{ c: [Object] }");
      expect(inspect([runtime.ones([2])], { depth: 0 })).toBe("[ [Tensor float32[2]] ]");
    });
  });
});

test("a disposed tensor can be printed, with what is known of it", () => {
  const tensor = runtime.ones([2]);
  const known = describeTensor(tensor);
  tensor.dispose();
  let unknown: Tensor | undefined;
  runtime.scope(() => {
    unknown = runtime.ones([2]);
  });
  expect([inspect(tensor), inspect(unknown)]).toEqual([`Tensor ${known} (disposed)`, "Tensor (disposed)"]);
});
