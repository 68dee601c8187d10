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
import { contiguous, expand, flatten, permute, reshape, squeeze, transpose, unsqueeze } from "./shape.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);

interface Setting {
  readonly shape: readonly number[];
  readonly dims: readonly number[];
}

/** A shape, and its dimensions in a random order, some counted from the end. */
const shapeAndOrder: fc.Arbitrary<Setting> = shapeOf(2, 4).chain((shape) =>
  fc
    .tuple(
      fc.shuffledSubarray(
        shape.map((_, i) => i),
        { minLength: shape.length },
      ),
      fc.boolean(),
    )
    .map(([order, fromEnd]) => ({ shape, dims: fromEnd ? order.map((dim) => dim - shape.length) : order })),
);

const RESHAPE = operator("aten::reshape");

const cases: GradientCase<Setting>[] = [
  {
    name: "reshape",
    setting: shapeAndOrder,
    shapes: ({ shape }) => [shape],
    ours: ([x], { shape }) => reshape(x!, [-1, shape[0]!]),
    reference: ([x], { shape }, call) => call(RESHAPE, x!, [-1, shape[0]!]),
  },
  {
    name: "transpose",
    setting: shapeAndOrder,
    shapes: ({ shape }) => [shape],
    ours: ([x], { dims }) => transpose(x!, dims[0]!, dims[1]!),
    reference: ([x], { dims }, call) => call(operator("aten::transpose", "int"), x!, dims[0]!, dims[1]!),
  },
  {
    name: "permute",
    setting: shapeAndOrder,
    shapes: ({ shape }) => [shape],
    ours: ([x], { dims }) => permute(x!, dims),
    reference: ([x], { dims }, call) => call(operator("aten::permute"), x!, dims),
  },
  {
    name: "contiguous of a permutation, reshaped",
    setting: shapeAndOrder,
    shapes: ({ shape }) => [shape],
    ours: ([x], { dims }) => reshape(contiguous(permute(x!, dims)), [-1]),
    reference: ([x], { dims }, call) =>
      call(RESHAPE, call(operator("aten::contiguous"), call(operator("aten::permute"), x!, dims)), [-1]),
  },
  {
    name: "expand",
    setting: shapeAndOrder,
    shapes: ({ shape, dims }) => [shape.map((size, i) => (dims[0] === i ? 1 : size))],
    ours: ([x], { shape }) => expand(x!, [3, ...shape]),
    reference: ([x], { shape }, call) => call(operator("aten::expand"), x!, [3, ...shape]),
  },
  {
    name: "unsqueeze",
    setting: shapeAndOrder,
    shapes: ({ shape }) => [shape],
    ours: ([x], { dims }) => unsqueeze(x!, dims[0]!),
    reference: ([x], { dims }, call) => call(operator("aten::unsqueeze"), x!, dims[0]!),
  },
  {
    name: "squeeze",
    setting: shapeAndOrder,
    shapes: ({ shape }) => [shape],
    ours: ([x], { dims }) => squeeze(x!, dims[0]!),
    reference: ([x], { dims }, call) => call(operator("aten::squeeze", "dim"), x!, dims[0]!),
  },
  {
    name: "flatten",
    setting: shapeAndOrder,
    shapes: ({ shape }) => [shape],
    ours: ([x]) => flatten(x!, 1),
    reference: ([x], _, call) => call(operator("aten::flatten", "using_ints"), x!, 1, -1),
  },
];

describe.each(cases)("$name", (gradientCase) => {
  test("has LibTorch's gradients, whole and split", () => checkAgainstOracle(runtime, gradientCase));
  test("has the gradients of finite differences", () => checkFiniteDifferences(runtime, gradientCase));
});

test("a dimension that is not there is an error that names the function and the shape", () => {
  runtime.scope(() => {
    expect(() => squeeze(runtime.ones([2, 3]), 2)).toThrow(ShapeError);
    expect(() => unsqueeze(runtime.ones([2, 3]), 4)).toThrow(/unsqueeze: dimension 4 .* float32\[2, 3\]/);
  });
});
