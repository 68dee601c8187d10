// Each function against PyTorch's of the same name: golden values of PyTorch 1.13 for the same inputs, made by
// test/autograd/golden/library.py.
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { failOnLeaks } from "../../../test/leak-guard.ts";
import { Runtime } from "../../tensor/runtime.ts";
import { finish } from "../../tensor/suspension.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import * as ops from "../index.ts";
import { addScalar, Backward, markInput, mul, rootOf, scale, sigmoid, variable } from "../index.ts";

interface Golden {
  readonly shapes: readonly (readonly number[])[];
  readonly outputShape: readonly number[];
  readonly output: readonly number[];
  readonly gradients: readonly (readonly number[] | null)[];
}

const path = new URL("../../../test/autograd/golden/library.json", import.meta.url);
const golden: Readonly<Record<string, Golden>> = JSON.parse(readFileSync(path, "utf8"));
const runtime = Runtime.load();
failOnLeaks(runtime);

/** The elements `sin(0.7 i + k + 0.3)`. */
function sine(k: number, shape: readonly number[]): Tensor {
  const size = shape.reduce((product, each) => product * each, 1);
  const elements = Array.from({ length: size }, (_, i) => Math.sin(i * 0.7 + k + 0.3));
  return runtime.tensor(elements, shape, "float64");
}

const int64 = (rows: number[] | number[][]) => runtime.tensor(rows, undefined, "int64");
const float64 = (numbers: number[]) => runtime.tensor(numbers, undefined, "float64");
const positive = (x: Tensor) => addScalar(mul(x, x), 0.5);

type Compute = (x: Tensor, y: Tensor, z: Tensor) => Tensor;

const OURS: Readonly<Record<string, Compute>> = {
  sin: ops.sin,
  cos: ops.cos,
  tan: ops.tan,
  asin: ops.asin,
  acos: ops.acos,
  atan: ops.atan,
  sinh: ops.sinh,
  cosh: ops.cosh,
  erf: ops.erf,
  erfc: ops.erfc,
  expm1: ops.expm1,
  square: ops.square,
  reciprocal: ops.reciprocal,
  sign: ops.sign,
  floor: ops.floor,
  ceil: ops.ceil,
  round: ops.round,
  log1p: (x) => ops.log1p(positive(x)),
  log2: (x) => ops.log2(positive(x)),
  log10: (x) => ops.log10(positive(x)),
  clamp: (x) => ops.clamp(x, -0.5, 0.6),
  clampBelow: (x) => ops.clamp(x, null, 0.3),
  softplus: (x) => ops.softplus(x, 2, 1.5),
  leakyRelu: (x) => ops.leakyRelu(x, 0.2),
  elu: (x) => ops.elu(x, 0.7),
  hardswish: (x) => ops.hardswish(scale(x, 4)),
  hardsigmoid: (x) => ops.hardsigmoid(scale(x, 4)),
  mish: ops.mish,
  relu6: (x) => ops.relu6(scale(x, 8)),
  logSigmoid: ops.logSigmoid,
  nanToNum: (x) => ops.nanToNum(x, 0.25),
  minimum: ops.minimum,
  gather: (x) =>
    ops.gather(
      x,
      1,
      int64([
        [0, 3],
        [1, 1],
        [2, 0],
      ]),
    ),
  scatter: (x, y) =>
    ops.scatter(
      x,
      1,
      int64([
        [0, 3],
        [1, 2],
        [2, 0],
      ]),
      y,
    ),
  scatterAdd: (x, y) =>
    ops.scatterAdd(
      x,
      1,
      int64([
        [0, 3],
        [1, 1],
        [2, 0],
      ]),
      y,
    ),
  indexSelect: (x) => ops.indexSelect(x, 1, int64([2, 0, 2])),
  index: (x) => ops.index(x, [null, int64([1, 1, 3])]),
  indexAdd: (x, y) => ops.indexAdd(x, 0, int64([2, 2]), y),
  maskedFill: (x) => ops.maskedFill(x, ops.gt(x, 0), -7),
  maskedSelect: (x) => ops.maskedSelect(x, ops.gt(x, 0)),
  takeAlongDim: (x) => ops.takeAlongDim(x, int64([[1], [0], [3]]), 1),
  tril: (x) => ops.tril(x, 1),
  triu: (x) => ops.triu(x, -1),
  diagonal: (x) => ops.diagonal(x, 1, 1, 2),
  flip: (x) => ops.flip(x, [0, 1]),
  roll: (x) => ops.roll(x, [1, 2], [0, 1]),
  tile: (x) => ops.tile(x, [2, 1, 3]),
  repeatInterleave: (x) => ops.repeatInterleave(x, 2, 1),
  cumsum: (x) => ops.cumsum(x, 1),
  cumprod: (x) => ops.cumprod(x, 1),
  logsumexp: (x) => ops.logsumexp(x, [1], true),
  variance: (x) => ops.variance(x),
  varianceOfRows: (x) => ops.variance(x, [1], { unbiased: false, keepDims: true }),
  std: (x) => ops.std(x, [0]),
  norm: (x) => ops.norm(x, 3, [1]),
  prod: (x) => ops.prod(x),
  prodOfRows: (x) => ops.prod(x, 1, true),
  amax: (x) => ops.amax(x, [1]),
  amin: (x) => ops.amin(x),
  max: (x) => ops.max(x, 1).values,
  min: (x) => ops.min(x, 1, true).values,
  topk: (x) => ops.topk(x, 2, 1, false).values,
  sort: (x) => ops.sort(x, 0, true).values,
  conv1: (x, w, b) => ops.conv(x, w, b, { stride: 2, padding: 1, dilation: 2, groups: 2 }),
  conv2: (x, w) => ops.conv(x, w, null, { stride: [1, 2], padding: [0, 1] }),
  conv3: (x, w, b) => ops.conv(x, w, b),
  convTranspose1: (x, w, b) =>
    ops.convTranspose(x, w, b, { stride: 2, padding: 1, outputPadding: 1, groups: 2 }),
  convTranspose2: (x, w) => ops.convTranspose(x, w, null, { stride: 2 }),
  maxPool: (x) => ops.maxPool(x, 2),
  maxPool1: (x) => ops.maxPool(x, 3, { stride: 2, padding: 1 }),
  avgPool: (x) => ops.avgPool(x, [2, 3], { stride: [2, 1] }),
  adaptiveAvgPool: (x) => ops.adaptiveAvgPool(x, [2, 3]),
  pad: (x) => ops.pad(x, [1, 2, 0, 1], 5),
  nearest: (x) => ops.interpolate(x, [6, 4]),
  bilinear: (x) => ops.interpolate(x, [5, 4], "bilinear"),
  einsum: (x, y) => ops.einsum("bij,bjk->bik", x, y),
  l1Loss: (x, y) => ops.l1Loss(x, y),
  smoothL1Loss: (x, y) => ops.smoothL1Loss(x, y, 0.5, "sum"),
  huberLoss: (x, y) => ops.huberLoss(x, y, 0.5),
  nllLoss: (x) => ops.nllLoss(x, int64([1, -100, 3])),
  binaryCrossEntropy: (x, y) => ops.binaryCrossEntropy(sigmoid(x), sigmoid(y)),
  bceWithLogits: (x, y) => ops.bceWithLogits(x, sigmoid(y), "sum"),
  klDiv: (x, y) => ops.klDiv(x, sigmoid(y), "sum"),
  cosineSimilarity: (x, y) => ops.cosineSimilarity(x, y),
  cosineEmbeddingLoss: (x, y) => ops.cosineEmbeddingLoss(x, y, int64([1, -1]), 0.1),
  smoothedCrossEntropy: (x) => ops.smoothedCrossEntropy(x, int64([1, 0, 3]), 0.1),
  batchNorm: (x, w, b) => ops.batchNorm(x, w, b, null, true),
  batchNormRunning: (x, w, b) =>
    ops.batchNorm(x, w, b, { mean: float64([0.1, 0.2]), variance: float64([1.5, 0.5]) }, false),
  groupNorm: (x, w, b) => ops.groupNorm(x, 2, w, b),
  instanceNorm: (x) => ops.instanceNorm(x),
};

test("every golden value has its function", () => {
  expect(Object.keys(OURS).sort()).toEqual(Object.keys(golden).sort());
});

function expectClose(actual: Tensor | null, expected: readonly number[] | null, what: string): void {
  if (expected === null) {
    expect(actual, what).toBeNull();
    return;
  }
  const elements = actual === null ? expected.map(() => 0) : actual.toArray();
  expect(elements, what).toHaveLength(expected.length);
  for (const [i, x] of elements.entries()) expect(x, `${what}, element ${i}`).toBeCloseTo(expected[i]!, 12);
}

describe("gives PyTorch's values and gradients, whole and split", () => {
  // The last input is a parameter in the split backward, so that W has something to do.
  test.each(Object.entries(OURS))("%s", (name, compute) => {
    const { shapes, outputShape, output, gradients } = golden[name]!;
    for (const isSplit of [false, true])
      runtime.scope(() => {
        const inputs = shapes.map((shape, k) => sine(k, shape));
        const isParameter = (i: number) => isSplit && i === inputs.length - 1;
        const leaves = inputs.map((x, i) => (isParameter(i) ? variable(x) : markInput(x, true)!));
        const y = compute(...(inputs as [Tensor, Tensor, Tensor]));
        expect(y.shape).toEqual(outputShape);
        expectClose(y, output, "output");
        const walk = new Backward([rootOf(y)!]);
        const dy = [sine(9, outputShape)];
        if (isSplit) {
          finish(walk.backwardInputs(dy));
          finish(walk.backwardWeights());
        } else finish(walk.backward(dy));
        walk.end();
        leaves.forEach(({ grad }, i) => {
          expectClose(grad, gradients[i]!, `gradient of input ${i}`);
          grad?.dispose();
        });
      });
  });
});

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
      expect(ops.oneHot(int64([2, 0]), 3).toArray()).toEqual([0, 0, 1, 1, 0, 0]);
    });
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
