import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkFiniteDifferences } from "../../../test/autograd/finite-differences.ts";
import type { GradientCase } from "../../../test/autograd/gradient-case.ts";
import { checkAgainstOracle } from "../../../test/autograd/oracle.ts";
import { shapeOf } from "../../../test/autograd/shapes.ts";
import { failOnLeaks } from "../../../test/leak-guard.ts";
import { ShapeError } from "../../tensor/errors.ts";
import { operator } from "../../tensor/native-operator.ts";
import { Runtime } from "../../tensor/runtime.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { crossEntropy, mseLoss, type Reduction } from "./loss.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);
const codes: Record<Reduction, number> = { mean: 1, sum: 2 };
const reductions = fc.constantFrom<Reduction>("mean", "sum");

const mseCase: GradientCase<{ shape: readonly number[]; reduction: Reduction }> = {
  name: "mseLoss",
  setting: fc.record({ shape: shapeOf(0, 3), reduction: reductions }),
  shapes: ({ shape }) => [shape, shape],
  ours: ([input, target], { reduction }) => mseLoss(input!, target!, reduction),
  reference: ([input, target], { reduction }, call) =>
    call(operator("aten::mse_loss"), input!, target!, codes[reduction]),
};

interface Setting {
  readonly shape: readonly number[];
  readonly targets: readonly number[];
  readonly reduction: Reduction;
  readonly ignoreIndex: number | undefined;
}

const settings: fc.Arbitrary<Setting> = shapeOf(1, 4).chain((shape) => {
  const numPositions = shape.slice(0, -1).reduce((a, b) => a * b, 1);
  return fc
    .record({
      shape: fc.constant(shape),
      targets: fc.array(fc.integer({ min: 0, max: shape.at(-1)! - 1 }), {
        minLength: numPositions,
        maxLength: numPositions,
      }),
      reduction: reductions,
      ignoreIndex: fc.constantFrom(undefined, 0),
    })
    .filter(({ targets, ignoreIndex }) => targets.some((target) => target !== ignoreIndex));
});

const crossEntropyCase: GradientCase<Setting> = {
  name: "crossEntropy",
  setting: settings,
  shapes: ({ shape }) => [shape],
  ours: ([logits], { targets, shape, reduction, ignoreIndex }) =>
    crossEntropy(logits!, logits!.runtime.tensor(targets, shape.slice(0, -1), "int64"), {
      reduction,
      ...(ignoreIndex === undefined ? {} : { ignoreIndex }),
    }),
  reference: ([logits], { targets, shape, reduction, ignoreIndex = -100 }, call) => {
    const rows = call(operator("aten::reshape"), logits!, [-1, shape.at(-1)!]);
    const flat = logits!.runtime.tensor(targets, [targets.length], "int64");
    return call(operator("aten::cross_entropy_loss"), rows, flat, null, codes[reduction], ignoreIndex, 0);
  },
  dtypes: ["float32", "float64", "bfloat16"],
};

describe("mseLoss", () => {
  test("has LibTorch's gradients, whole and split", () => checkAgainstOracle(runtime, mseCase, 60));
  test("has the gradients of finite differences", () => checkFiniteDifferences(runtime, mseCase));
});

describe("crossEntropy", () => {
  test("has LibTorch's gradients, whole and split", () => checkAgainstOracle(runtime, crossEntropyCase, 60));
  test("has the gradients of finite differences", () => checkFiniteDifferences(runtime, crossEntropyCase));
});

test("losses of shapes that do not fit are errors that name the rule and both shapes", () => {
  runtime.scope(() => {
    const logits = runtime.ones([2, 3, 5]);
    const targets = (shape: readonly number[]): Tensor => runtime.zeros(shape, "int64");
    expect(() => crossEntropy(logits, targets([2, 5]))).toThrow(ShapeError);
    expect(() => crossEntropy(logits, targets([2, 5]))).toThrow(
      /logits must be \[\.\.\., C\] and targets int64 \[\.\.\.\]; got logits float32\[2, 3, 5\], targets int64\[2, 5\]/,
    );
    expect(() => crossEntropy(logits, runtime.zeros([2, 3]))).toThrow(/targets float32\[2, 3\]/);
    expect(() => mseLoss(runtime.ones([2, 3]), runtime.ones([2, 1]))).toThrow(
      /mseLoss: .*\[2, 3\].*\[2, 1\]/,
    );
  });
});

test("a target beyond the classes is LibTorch's error, with the operator and the shapes", () => {
  runtime.scope(() => {
    const targets = runtime.tensor([5], [1], "int64");
    expect(() => crossEntropy(runtime.ones([1, 5]), targets)).toThrow(
      /aten::nll_loss_forward\(float32\[1, 5\], int64\[1\], null, 1, -100\): Target 5 is out of bounds/,
    );
  });
});
