import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkFiniteDifferences } from "../../../test/autograd/finite-differences.ts";
import type { GradientCase } from "../../../test/autograd/gradient-case.ts";
import { checkAgainstOracle } from "../../../test/autograd/oracle.ts";
import { shapeOf } from "../../../test/autograd/shapes.ts";
import { failOnLeaks } from "../../../test/leak-guard.ts";
import { operator } from "../../tensor/native-operator.ts";
import { Runtime } from "../../tensor/runtime.ts";
import { backward } from "../backward.ts";
import { variable } from "../record.ts";
import { addScalar, scale } from "./pointwise.ts";
import { mean, sum } from "./reduction.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);

interface Setting {
  readonly shape: readonly number[];
  readonly dims: readonly number[] | null;
  readonly keepDims: boolean;
}

const settings: fc.Arbitrary<Setting> = shapeOf(1, 4).chain((shape) =>
  fc.record({
    shape: fc.constant(shape),
    dims: fc.option(fc.subarray(shape.map((_, i) => (i % 2 === 0 ? i : i - shape.length)))),
    keepDims: fc.boolean(),
  }),
);

const cases: GradientCase<Setting>[] = [
  {
    name: "sum",
    setting: settings,
    shapes: ({ shape }) => [shape],
    ours: ([x], { dims, keepDims }) => sum(x!, dims, keepDims),
    reference: ([x], { dims, keepDims }, call) =>
      call(operator("aten::sum", "dim_IntList"), x!, dims, keepDims),
  },
  {
    name: "mean",
    setting: settings,
    shapes: ({ shape }) => [shape],
    ours: ([x], { dims, keepDims }) => mean(x!, dims, keepDims),
    reference: ([x], { dims, keepDims }, call) => call(operator("aten::mean", "dim"), x!, dims, keepDims),
  },
];

describe.each(cases)("$name", (gradientCase) => {
  test("has LibTorch's gradients, whole and split", () => checkAgainstOracle(runtime, gradientCase, 60));
  test("has the gradients of finite differences", () => checkFiniteDifferences(runtime, gradientCase));
});

test("the gradient of a sum that becomes that of a leaf can take another in place", () => {
  runtime.scope(() => {
    const x = runtime.ones([2, 3]);
    const leaf = variable(x);
    for (let i = 0; i < 2; i++) backward(scale(sum(addScalar(x, 1)), 1));
    expect(leaf.grad?.toArray()).toEqual([2, 2, 2, 2, 2, 2]);
    leaf.grad?.dispose();
  });
});
