import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkFiniteDifferences } from "../../../test/autograd/finite-differences.ts";
import type { GradientCase } from "../../../test/autograd/gradient-case.ts";
import { checkAgainstOracle } from "../../../test/autograd/oracle.ts";
import { broadcastShapes } from "../../../test/autograd/shapes.ts";
import { failOnLeaks } from "../../../test/leak-guard.ts";
import { operator } from "../../tensor/native-operator.ts";
import { Runtime } from "../../tensor/runtime.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { backward } from "../backward.ts";
import { variable } from "../record.ts";
import { add, div, maximum, mul, sub, where } from "./arithmetic.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);

type Shapes = readonly (readonly number[])[];

function binary(
  name: string,
  op: string,
  ours: (a: Tensor, b: Tensor) => Tensor,
  positive = false,
): GradientCase<Shapes> {
  return {
    name,
    setting: broadcastShapes(2),
    shapes: (shapes) => shapes,
    ours: ([a, b]) => ours(a!, b!),
    reference: ([a, b], _, call) => call(operator(op, name === "maximum" ? "" : "Tensor"), a!, b!),
    positive,
    dtypes: ["float32", "float64", "bfloat16"],
  };
}

const cases: GradientCase<Shapes>[] = [
  binary("add", "aten::add", add),
  binary("sub", "aten::sub", sub),
  binary("mul", "aten::mul", mul),
  binary("div", "aten::div", div, true),
  binary("maximum", "aten::maximum", maximum),
  {
    name: "where",
    setting: broadcastShapes(3),
    shapes: (shapes) => shapes.slice(0, 2),
    ours: ([a, b], shapes) => where(checkers(a!.runtime, shapes[2]!), a!, b!),
    reference: ([a, b], shapes, call) =>
      call(operator("aten::where", "self"), checkers(a!.runtime, shapes[2]!), a!, b!),
  },
];

function checkers(of: Runtime, shape: readonly number[]): Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return of.tensor(
    Array.from({ length: size }, (_, i) => i % 2),
    shape,
    "bool",
  );
}

describe.each(cases)("$name", (gradientCase) => {
  test("has LibTorch's gradients, whole and split", () => checkAgainstOracle(runtime, gradientCase));
  test("has the gradients of finite differences", () => checkFiniteDifferences(runtime, gradientCase));
});

test("each input's gradient comes in its own dtype", () => {
  fc.assert(
    fc.property(fc.constantFrom(add, sub, mul, div), (ours) => {
      runtime.scope(() => {
        const a = runtime.full([3], 2, "float32");
        const b = runtime.full([3], 4, "float64");
        const [leafA, leafB] = [variable(a), variable(b)];
        const y = ours(a, b);
        backward(y, [runtime.ones([3], "float64")]);
        expect([leafA.grad?.dtype, leafB.grad?.dtype]).toEqual(["float32", "float64"]);
        leafA.grad?.dispose();
        leafB.grad?.dispose();
      });
    }),
  );
});

test("equal elements share the gradient of a maximum", () => {
  runtime.scope(() => {
    const a = runtime.tensor([1, 2, 3]);
    const b = runtime.tensor([3, 2, 1]);
    const leaf = variable(a);
    backward(maximum(a, b), [runtime.ones([3])]);
    expect(leaf.grad?.toArray()).toEqual([0, 0.5, 1]);
    leaf.grad?.dispose();
  });
});
