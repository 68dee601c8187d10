import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkFiniteDifferences } from "../../../test/autograd/finite-differences.ts";
import type { GradientCase } from "../../../test/autograd/gradient-case.ts";
import { checkAgainstOracle } from "../../../test/autograd/oracle.ts";
import { broadcastShapes, shapeOf } from "../../../test/autograd/shapes.ts";
import { failOnLeaks } from "../../../test/leak-guard.ts";
import { ShapeError } from "../../tensor/errors.ts";
import { operator } from "../../tensor/native-operator.ts";
import { Runtime } from "../../tensor/runtime.ts";
import { linear } from "./linear.ts";
import { bmm, matmul, mm } from "./matmul.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);

type Shapes = readonly (readonly number[])[];

const matmulShapes: fc.Arbitrary<Shapes> = fc
  .tuple(broadcastShapes(2), shapeOf(3), fc.constantFrom("matrices", "row", "column", "vectors"))
  .map(([[batchA, batchB], [n, k, m], kind]) => [
    kind === "row" || kind === "vectors" ? [k!] : [...batchA!, n!, k!],
    kind === "column" || kind === "vectors" ? [k!] : [...batchB!, k!, m!],
  ]);

const cases: GradientCase<Shapes>[] = [
  {
    name: "mm",
    setting: shapeOf(3).map(([n, k, m]) => [
      [n!, k!],
      [k!, m!],
    ]),
    shapes: (shapes) => shapes,
    ours: ([a, b]) => mm(a!, b!),
    reference: ([a, b], _, call) => call(operator("aten::mm"), a!, b!),
    dtypes: ["float32", "float64", "bfloat16"],
  },
  {
    name: "bmm",
    setting: shapeOf(4).map(([batch, n, k, m]) => [
      [batch!, n!, k!],
      [batch!, k!, m!],
    ]),
    shapes: (shapes) => shapes,
    ours: ([a, b]) => bmm(a!, b!),
    reference: ([a, b], _, call) => call(operator("aten::bmm"), a!, b!),
  },
  {
    name: "matmul",
    setting: matmulShapes,
    shapes: (shapes) => shapes,
    ours: ([a, b]) => matmul(a!, b!),
    reference: ([a, b], _, call) => call(operator("aten::matmul"), a!, b!),
  },
  {
    name: "linear",
    setting: fc
      .tuple(shapeOf(0, 3), shapeOf(2), fc.boolean())
      .map(([batch, [inSize, outSize], hasBias]) => [
        [...batch, inSize!],
        [outSize!, inSize!],
        ...(hasBias ? [[outSize!]] : []),
      ]),
    shapes: (shapes) => shapes,
    ours: ([x, weight, bias]) => linear(x!, weight!, bias ?? null),
    reference: ([x, weight, bias], _, call) => call(operator("aten::linear"), x!, weight!, bias ?? null),
    dtypes: ["float32", "float64", "bfloat16"],
  },
];

describe.each(cases)("$name", (gradientCase) => {
  test("has LibTorch's gradients, whole and split", () => checkAgainstOracle(runtime, gradientCase, 60));
  test("has the gradients of finite differences", () => checkFiniteDifferences(runtime, gradientCase));
});

test.each([
  ["mm", () => mm(runtime.ones([2, 3]), runtime.ones([2, 3]))],
  ["bmm", () => bmm(runtime.ones([1, 2, 3]), runtime.ones([2, 3, 4]))],
  ["matmul", () => matmul(runtime.ones([2, 3, 4]), runtime.ones([3, 4, 5]))],
  ["matmul", () => matmul(runtime.ones([]), runtime.ones([3]))],
  ["linear", () => linear(runtime.ones([2, 3]), runtime.ones([4, 5]))],
  ["linear", () => linear(runtime.ones([2, 3]), runtime.ones([4, 3]), runtime.ones([3]))],
])("%s of shapes that do not fit names itself, the rule and the shapes", (name, run) => {
  runtime.scope(() => {
    expect(run).toThrow(ShapeError);
    expect(run).toThrow(new RegExp(`^dualpipe: ${name}: .+ must be .+; got \\w+ float32\\[`));
  });
});
