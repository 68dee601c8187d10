import fc from "fast-check";
import { expect, test } from "vitest";
import { checkFiniteDifferences } from "../../../test/autograd/finite-differences.ts";
import type { GradientCase } from "../../../test/autograd/gradient-case.ts";
import { checkAgainstOracle } from "../../../test/autograd/oracle.ts";
import { shapeOf } from "../../../test/autograd/shapes.ts";
import { failOnLeaks } from "../../../test/leak-guard.ts";
import { ShapeError } from "../../tensor/errors.ts";
import { operator } from "../../tensor/native-operator.ts";
import { Runtime } from "../../tensor/runtime.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { backward } from "../backward.ts";
import { Parameter } from "../parameter.ts";
import { markInput } from "../record.ts";
import { embedding } from "./embedding.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);

interface Setting {
  readonly table: readonly number[];
  readonly indicesShape: readonly number[];
  readonly indices: readonly number[];
}

const settings: fc.Arbitrary<Setting> = fc.tuple(shapeOf(2), shapeOf(0, 3)).chain(([table, indicesShape]) => {
  const numIndices = indicesShape.reduce((a, b) => a * b, 1);
  const index = fc.integer({ min: 0, max: table[0]! - 1 });
  return fc.record({
    table: fc.constant(table),
    indicesShape: fc.constant(indicesShape),
    indices: fc.array(index, { minLength: numIndices, maxLength: numIndices }),
  });
});

const indicesOf = (weight: Tensor, { indices, indicesShape }: Setting) =>
  weight.runtime.tensor(indices, indicesShape, "int64");

const gradientCase: GradientCase<Setting> = {
  name: "embedding",
  setting: settings,
  shapes: ({ table }) => [table],
  ours: ([weight], setting) => embedding(weight!, indicesOf(weight!, setting)),
  reference: ([weight], setting, call) =>
    call(operator("aten::embedding"), weight!, indicesOf(weight!, setting)),
  dtypes: ["float32", "float64", "bfloat16"],
};

test("embedding has LibTorch's gradients, whole and split", () =>
  checkAgainstOracle(runtime, gradientCase, 60));

test("embedding has the gradients of finite differences", () =>
  checkFiniteDifferences(runtime, gradientCase));

test("a second gradient is added into the table's sum without another tensor of its size", () => {
  runtime.scope(() => {
    const weight = new Parameter(runtime.randn([10_000, 8]));
    const run = (indices: readonly number[]) => {
      const tokens = runtime.tensor(indices, [indices.length], "int64");
      markInput(tokens, false);
      const y = embedding(weight, tokens);
      backward(y, [runtime.ones(y.shape)]);
    };
    runtime.scope(() => run([1, 2, 2]));
    const { liveBytes } = runtime.device.memory();
    runtime.device.resetPeakBytes();
    runtime.scope(() => run([2, 3]));
    expect(runtime.device.memory().peakBytes - liveBytes).toBeLessThan(weight.numBytes / 10);
    expect(weight.grad?.toArray().filter((_, i) => i % 8 === 0 && i < 40)).toEqual([0, 1, 3, 1, 0]);
    weight.dispose();
  });
});

test("indices that are not whole numbers are a ShapeError, and indices beyond the table LibTorch's error", () => {
  runtime.scope(() => {
    const weight = runtime.ones([3, 2]);
    expect(() => embedding(weight, runtime.ones([2]))).toThrow(ShapeError);
    expect(() => embedding(weight, runtime.tensor([3], [1], "int64"))).toThrow(
      /aten::embedding.*float32\[3, 2\]/s,
    );
  });
});
