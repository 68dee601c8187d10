import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkFiniteDifferences } from "../../../../test/autograd/finite-differences.ts";
import type { GradientCase } from "../../../../test/autograd/gradient-case.ts";
import { checkAgainstOracle } from "../../../../test/autograd/oracle.ts";
import { failOnLeaks } from "../../../../test/leak-guard.ts";
import { ShapeError } from "../../../tensor/errors.ts";
import { operator } from "../../../tensor/native-operator.ts";
import { Runtime } from "../../../tensor/runtime.ts";
import { transpose } from "../shape.ts";
import { scaledDotProductAttention } from "./attention.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);

interface Setting {
  readonly batch: number;
  readonly heads: number;
  readonly numQueries: number;
  readonly numKeys: number;
  readonly size: number;
  readonly causal: boolean;
  readonly scale: number | undefined;
  /** Heads and positions are exchanged in memory, as a model's projections make them. */
  readonly isTransposed: boolean;
}

const small = fc.integer({ min: 1, max: 4 });

const gradientCase: GradientCase<Setting> = {
  name: "scaledDotProductAttention",
  setting: fc.record({
    batch: small,
    heads: small,
    numQueries: small,
    numKeys: small,
    size: small,
    causal: fc.boolean(),
    scale: fc.constantFrom(undefined, 0.3, 1),
    isTransposed: fc.boolean(),
  }),
  shapes: ({ batch, heads, numQueries, numKeys, size, isTransposed }) =>
    [numQueries, numKeys, numKeys].map((length) =>
      isTransposed ? [batch, length, heads, size] : [batch, heads, length, size],
    ),
  ours: (inputs, { causal, scale, isTransposed }) => {
    const [q, k, v] = isTransposed ? inputs.map((input) => transpose(input, 1, 2)) : inputs;
    return scaledDotProductAttention(q!, k!, v!, { causal, ...(scale === undefined ? {} : { scale }) });
  },
  reference: (inputs, { causal, scale, size, numQueries, numKeys, isTransposed }, call) => {
    const exchange = operator("aten::transpose", "int");
    const [q, k, v] = isTransposed ? inputs.map((input) => call(exchange, input, 1, 2)) : inputs;
    const matmul = operator("aten::matmul");
    const products = call(matmul, q!, call(exchange, k!, 2, 3));
    let scores = call(operator("aten::mul", "Scalar"), products, scale ?? 1 / Math.sqrt(size));
    if (causal) {
      const future = Array.from({ length: numQueries * numKeys }, (_, i) =>
        i % numKeys > Math.floor(i / numKeys) ? 1 : 0,
      );
      const mask = q!.runtime.tensor(future, [numQueries, numKeys], "bool");
      scores = call(operator("aten::masked_fill", "Scalar"), scores, mask, -Infinity);
    }
    return call(matmul, call(operator("aten::softmax", "int"), scores, -1), v!);
  },
  dtypes: ["float32", "float64", "bfloat16"],
};

describe("scaledDotProductAttention", () => {
  test("has LibTorch's gradients, whole and split", () => checkAgainstOracle(runtime, gradientCase, 100));
  test("has the gradients of finite differences", () => checkFiniteDifferences(runtime, gradientCase));
});

test("keys of another size than the queries are an error that names the shapes", () => {
  runtime.scope(() => {
    const [q, k] = [runtime.ones([1, 2, 3, 4]), runtime.ones([1, 2, 3, 5])];
    expect(() => scaledDotProductAttention(q, k, k)).toThrow(ShapeError);
    expect(() => scaledDotProductAttention(q, k, k)).toThrow(/\[1, 2, 3, 4\], k float32\[1, 2, 3, 5\]/);
    expect(() => scaledDotProductAttention(runtime.ones([2, 3]), k, k)).toThrow(ShapeError);
  });
});
