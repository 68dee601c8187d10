import fc from "fast-check";
import { expect, test } from "vitest";
import { checkFiniteDifferences } from "../../../../test/autograd/finite-differences.ts";
import type { Call, GradientCase } from "../../../../test/autograd/gradient-case.ts";
import { checkAgainstOracle } from "../../../../test/autograd/oracle.ts";
import { failOnLeaks } from "../../../../test/leak-guard.ts";
import { ShapeError } from "../../../tensor/errors.ts";
import { operator } from "../../../tensor/native-operator.ts";
import { Runtime } from "../../../tensor/runtime.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { gradcheck } from "../../gradcheck.ts";
import { scaledDotProductAttention } from "./attention.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);

const small = fc.integer({ min: 1, max: 4 });
const setting = fc.record({
  batch: small,
  heads: small,
  numQueries: small,
  numKeys: small,
  size: small,
  causal: fc.boolean(),
  /** Numbers to add, which have a gradient, or true and false. */
  isBool: fc.boolean(),
  /** The same mask for all heads and sequences. */
  isShared: fc.boolean(),
});
type Setting = typeof setting extends fc.Arbitrary<infer T> ? T : never;

const maskShape = ({ batch, numQueries, numKeys, isShared }: Setting) =>
  isShared ? [numQueries, numKeys] : [batch, 1, numQueries, numKeys];

/** True for every other key, and for the first, so that each query sees one. */
function seen({ runtime }: Tensor, of: Setting): Tensor {
  const shape = maskShape(of);
  const size = shape.reduce((product, each) => product * each, 1);
  const elements = Array.from({ length: size }, (_, i) => (i % of.numKeys === 0 || i % 2 === 0 ? 1 : 0));
  return runtime.tensor(elements, shape, "bool");
}

function reference(inputs: readonly Tensor[], of: Setting, call: Call): Tensor {
  const [q, k, v, numbers] = inputs;
  const keys = call(operator("aten::transpose", "int"), k!, 2, 3);
  const products = call(operator("aten::matmul"), q!, keys);
  let scores = call(operator("aten::mul", "Scalar"), products, 1 / Math.sqrt(of.size));
  const hide = (mask: Tensor) => call(operator("aten::masked_fill", "Scalar"), scores, mask, -Infinity);
  if (of.isBool) scores = hide(runtime.call(operator("aten::logical_not"), seen(q!, of)));
  else scores = call(operator("aten::add", "Tensor"), scores, numbers!);
  if (of.causal) {
    const size = of.numQueries * of.numKeys;
    const isFuture = (i: number) => i % of.numKeys > Math.floor(i / of.numKeys);
    const future = Array.from({ length: size }, (_, i) => (isFuture(i) ? 1 : 0));
    scores = hide(runtime.tensor(future, [of.numQueries, of.numKeys], "bool"));
  }
  return call(operator("aten::matmul"), call(operator("aten::softmax", "int"), scores, -1), v!);
}

const gradientCase: GradientCase<Setting> = {
  name: "attention with a mask",
  setting,
  shapes: (of) => [
    [of.batch, of.heads, of.numQueries, of.size],
    [of.batch, of.heads, of.numKeys, of.size],
    [of.batch, of.heads, of.numKeys, of.size],
    ...(of.isBool ? [] : [maskShape(of)]),
  ],
  ours: ([q, k, v, numbers], of) =>
    scaledDotProductAttention(q!, k!, v!, { causal: of.causal, mask: numbers ?? seen(q!, of) }),
  reference,
};

test("a mask has LibTorch's gradients, whole and split", () => checkAgainstOracle(runtime, gradientCase, 60));
test("a mask has the gradients of finite differences", () => checkFiniteDifferences(runtime, gradientCase));

test("dropout has the slopes of its values as gradients, and draws from the runtime's generator", () => {
  runtime.scope(() => {
    const [q, k, v] = [
      [1, 2, 3, 2],
      [1, 2, 4, 2],
      [1, 2, 4, 2],
    ].map((shape) => runtime.randn(shape, "float64"));
    const compute = (q: Tensor, k: Tensor, v: Tensor) => scaledDotProductAttention(q, k, v, { dropout: 0.5 });
    gradcheck(compute, [q!, k!, v!]);
    const of = (seed: number) => {
      runtime.seed(seed);
      return compute(q!, k!, v!).toArray();
    };
    expect(of(1)).toEqual(of(1));
    expect(of(1)).not.toEqual(of(2));
  });
});

test("dropout keeps the mean: P's elements are 0, or divided by the chance to stay", () => {
  runtime.scope(() => {
    const q = runtime.zeros([1, 1, 200, 1]);
    const v = runtime.ones([1, 1, 200, 1]);
    runtime.seed(3);
    const y = scaledDotProductAttention(q, q, v, { dropout: 0.25 }).toArray();
    const mean = y.reduce((sum, each) => sum + each, 0) / y.length;
    expect(Math.abs(mean - 1)).toBeLessThan(0.02);
  });
});

test("a mask that does not broadcast to the scores is an error that names the shapes", () => {
  runtime.scope(() => {
    const q = runtime.ones([1, 2, 3, 4]);
    const mask = runtime.ones([3, 4], "bool");
    expect(() => scaledDotProductAttention(q, q, q, { mask })).toThrow(ShapeError);
    expect(() => scaledDotProductAttention(q, q, q, { mask })).toThrow(
      /mask must broadcast.*mask bool\[3, 4\], scores float32\[1, 2, 3, 3\]/,
    );
  });
});
