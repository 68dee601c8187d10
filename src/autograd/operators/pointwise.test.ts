import { describe, expect, test } from "vitest";
import { checkFiniteDifferences } from "../../../test/autograd/finite-differences.ts";
import type { Call, GradientCase } from "../../../test/autograd/gradient-case.ts";
import { checkAgainstOracle } from "../../../test/autograd/oracle.ts";
import { shapeOf } from "../../../test/autograd/shapes.ts";
import { failOnLeaks } from "../../../test/leak-guard.ts";
import { dtypeCode } from "../../tensor/dtype.ts";
import { operator } from "../../tensor/native-operator.ts";
import { Runtime } from "../../tensor/runtime.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { backward } from "../backward.ts";
import { variable } from "../record.ts";
import { gelu, logSoftmax, relu, sigmoid, silu, softmax, tanh } from "./activation.ts";
import { add, div, mul, sub, where } from "./arithmetic.ts";
import { abs, addScalar, cast, exp, log, neg, pow, rsqrt, scale, sqrt } from "./pointwise.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);

interface Unary {
  readonly name: string;
  readonly ours: (x: Tensor) => Tensor;
  readonly reference: (x: Tensor, call: Call) => Tensor;
  readonly positive?: boolean;
  readonly minDims?: number;
}

const simple = (name: string, ours: (x: Tensor) => Tensor, positive = false): Unary => ({
  name,
  ours,
  reference: (x, call) => call(operator(`aten::${name}`), x),
  positive,
});

function positive(x: Tensor): Tensor {
  return x.runtime.call(operator("aten::gt", "Scalar"), x, 0);
}

const unary: Unary[] = [
  simple("neg", neg),
  simple("exp", exp),
  simple("log", log, true),
  simple("sqrt", sqrt, true),
  simple("rsqrt", rsqrt, true),
  simple("abs", abs),
  simple("tanh", tanh),
  simple("sigmoid", sigmoid),
  simple("relu", relu),
  simple("silu", silu),
  {
    name: "gelu",
    ours: (x) => gelu(x),
    reference: (x, call) => call(operator("aten::gelu"), x, "none"),
  },
  {
    name: "gelu by tanh",
    ours: (x) => gelu(x, "tanh"),
    reference: (x, call) => call(operator("aten::gelu"), x, "tanh"),
  },
  {
    name: "scale",
    ours: (x) => scale(x, -1.5),
    reference: (x, call) => call(operator("aten::mul", "Scalar"), x, -1.5),
  },
  {
    name: "addScalar",
    ours: (x) => addScalar(x, 3),
    reference: (x, call) => call(operator("aten::add", "Scalar"), x, 3),
  },
  {
    name: "add of a number",
    ours: (x) => add(add(2, x), -3),
    reference: (x, call) => call(operator("aten::add", "Scalar"), x, -1),
  },
  {
    name: "sub of a number",
    ours: (x) => sub(x, 3),
    reference: (x, call) => call(operator("aten::sub", "Scalar"), x, 3),
  },
  {
    name: "sub from a number",
    ours: (x) => sub(3, x),
    reference: (x, call) => call(operator("aten::rsub", "Scalar"), x, 3),
  },
  {
    name: "mul by a number",
    ours: (x) => mul(mul(0.5, x), -3),
    reference: (x, call) => call(operator("aten::mul", "Scalar"), x, -1.5),
  },
  {
    name: "div by a number",
    ours: (x) => div(x, -4),
    reference: (x, call) => call(operator("aten::div", "Scalar"), x, -4),
  },
  {
    name: "div of a number",
    ours: (x) => div(3, x),
    reference: (x, call) => call(operator("aten::mul", "Scalar"), call(operator("aten::reciprocal"), x), 3),
    positive: true,
  },
  {
    name: "where, with a number on either side",
    ours: (x) => where(positive(x), where(positive(x), 5, x), where(positive(x), x, 7)),
    reference: (x, call) =>
      call(
        operator("aten::where", "ScalarOther"),
        positive(x),
        call(operator("aten::where", "ScalarSelf"), positive(x), 5, x),
        7,
      ),
  },
  ...[-1.5, 0, 1, 3].map((exponent) => ({
    name: `pow by ${exponent}`,
    ours: (x: Tensor) => pow(x, exponent),
    reference: (x: Tensor, call: Call) => call(operator("aten::pow", "Tensor_Scalar"), x, exponent),
    positive: exponent < 0,
  })),
  {
    name: "softmax",
    ours: (x) => softmax(x),
    reference: (x, call) => call(operator("aten::softmax", "int"), x, -1),
    minDims: 1,
  },
  {
    name: "logSoftmax over the first dimension",
    ours: (x) => logSoftmax(x, 0),
    reference: (x, call) => call(operator("aten::log_softmax", "int"), x, 0),
    minDims: 1,
  },
];

const cases: GradientCase<readonly number[]>[] = unary.map(
  ({ name, ours, reference, positive = false, minDims = 0 }) => ({
    name,
    setting: shapeOf(minDims, 4),
    shapes: (shape) => [shape],
    ours: ([x]) => ours(x!),
    reference: ([x], _, call) => reference(x!, call),
    positive,
    dtypes: ["float32", "float64", "bfloat16"],
  }),
);

describe.each(cases)("$name", (gradientCase) => {
  test("has LibTorch's gradients, whole and split", () => checkAgainstOracle(runtime, gradientCase));
  test("has the gradients of finite differences", () => checkFiniteDifferences(runtime, gradientCase));
});

test("cast has LibTorch's gradients, whole and split", () => {
  checkAgainstOracle<readonly number[]>(runtime, {
    name: "cast",
    setting: shapeOf(0, 3),
    shapes: (shape) => [shape],
    ours: ([x]) => scale(cast(x!, "float64"), 3),
    reference: ([x], _, call) =>
      call(operator("aten::mul", "Scalar"), call(operator("aten::to", "dtype"), x!, dtypeCode("float64")), 3),
    dtypes: ["float32", "float64"],
  });
});

test("the gradient of a cast to bfloat16 comes back in float32", () => {
  runtime.scope(() => {
    const x = runtime.randn([3, 2]);
    const leaf = variable(x);
    const y = cast(x, "bfloat16");
    expect(y.dtype).toBe("bfloat16");
    backward(y, [runtime.ones([3, 2], "bfloat16")]);
    expect(leaf.grad?.dtype).toBe("float32");
    leaf.grad?.dispose();
  });
});

test("the gradient of x^0 at 0 is 0", () => {
  runtime.scope(() => {
    const x = runtime.zeros([2]);
    const leaf = variable(x);
    backward(pow(x, 0), [runtime.ones([2])]);
    expect(leaf.grad?.toArray()).toEqual([0, 0]);
    leaf.grad?.dispose();
  });
});
