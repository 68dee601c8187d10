import { describe, expect, test } from "vitest";
import { checkFunction, FUNCTIONS, golden } from "../../../test/autograd/library-cases.ts";
import { failOnLeaks } from "../../../test/leak-guard.ts";
import { Runtime } from "../../tensor/runtime.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import * as ops from "../index.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);

test("every golden value has its function", () => {
  expect(Object.keys(FUNCTIONS).sort()).toEqual(Object.keys(golden).sort());
});

test.each(Object.entries(FUNCTIONS))(
  "%s gives PyTorch's values and gradients, whole and split",
  (name, compute) => {
    checkFunction(runtime, name, compute, 12);
  },
);

describe("comparisons", () => {
  test.each([
    ["eq", ops.eq, [false, true, false]],
    ["ne", ops.ne, [true, false, true]],
    ["lt", ops.lt, [true, false, false]],
    ["le", ops.le, [true, true, false]],
    ["gt", ops.gt, [false, false, true]],
    ["ge", ops.ge, [false, true, true]],
  ] as const)("%s takes a tensor or a number", (_, compare, expected) => {
    runtime.scope(() => {
      const x = runtime.tensor([1, 2, 3]);
      expect(compare(x, 2).toArray().map(Boolean)).toEqual(expected);
      expect(
        compare(x, runtime.tensor([2, 2, 2]))
          .toArray()
          .map(Boolean),
      ).toEqual(expected);
    });
  });

  test("logic and what is no number", () => {
    runtime.scope(() => {
      const [a, b] = [runtime.tensor([0, 0, 1, 1]), runtime.tensor([0, 1, 0, 1])];
      const bools = (x: Tensor) => x.toArray().map(Number);
      expect(bools(ops.logicalAnd(a, b))).toEqual([0, 0, 0, 1]);
      expect(bools(ops.logicalOr(a, b))).toEqual([0, 1, 1, 1]);
      expect(bools(ops.logicalNot(a))).toEqual([1, 1, 0, 0]);
      const odd = runtime.tensor([Number.NaN, 1, Number.POSITIVE_INFINITY]);
      expect(bools(ops.isnan(odd))).toEqual([1, 0, 0]);
      expect(bools(ops.isfinite(odd))).toEqual([0, 1, 0]);
      expect([ops.all(a).item(), ops.any(a).item()].map(Number)).toEqual([0, 1]);
      expect(ops.argmax(b).item()).toBe(1);
      expect(
        ops
          .argmin(
            runtime.tensor([
              [3, 1],
              [0, 2],
            ]),
            1,
          )
          .toArray(),
      ).toEqual([1, 0]);
      expect(ops.oneHot(runtime.tensor([2, 0], undefined, "int64"), 3).toArray()).toEqual([0, 0, 1, 1, 0, 0]);
    });
  });
});

test("unknown options are refused with a suggestion", () => {
  runtime.scope(() => {
    const x = runtime.ones([1, 2, 3]);
    const wrong = { strides: 2 } as object;
    for (const call of [() => ops.conv(x, x, null, wrong), () => ops.maxPool(x, 2, wrong)])
      expect(call).toThrow(/has no option strides; did you mean stride\?/);
    expect(() => ops.conv(x, x, null, { outputPadding: 1 } as object)).toThrow(/no option outputPadding/);
    expect(() => ops.variance(x, null, { keepdim: true } as object)).toThrow(/no option keepdim/);
  });
});

test("sizes that do not fit are refused by name", () => {
  runtime.scope(() => {
    const x = runtime.ones([1, 2, 4, 4]);
    expect(() => ops.maxPool(x, [2, 2, 2])).toThrow(
      /maxPool: sizes must be one number, or one for each of 2/,
    );
    expect(() => ops.conv(runtime.ones([2, 4]), x)).toThrow(
      /conv: x must be \[N, C, ...spatial\].*got \[2, 4\]/,
    );
    expect(() => ops.interpolate(runtime.ones([1, 2, 4]), 8, "bilinear")).toThrow(
      /must be given \[N, C, H, W\]/,
    );
  });
});
