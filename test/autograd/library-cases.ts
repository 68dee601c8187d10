// Each function against PyTorch's of the same name: golden values of PyTorch 1.13 for the same inputs, made by
// golden/library.py.
import { readFileSync } from "node:fs";
import { expect } from "vitest";
import * as ops from "../../src/autograd/index.ts";
import {
  addScalar,
  Backward,
  markInput,
  mul,
  rootOf,
  scale,
  sigmoid,
  variable,
} from "../../src/autograd/index.ts";
import type { Runtime } from "../../src/tensor/runtime.ts";
import { finish } from "../../src/tensor/suspension.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

interface Golden {
  readonly shapes: readonly (readonly number[])[];
  readonly outputShape: readonly number[];
  readonly output: readonly number[];
  readonly gradients: readonly (readonly number[] | null)[];
}

const path = new URL("golden/library.json", import.meta.url);
export const golden: Readonly<Record<string, Golden>> = JSON.parse(readFileSync(path, "utf8"));

/** The elements `sin(0.7 i + k + 0.3)`. */
function sine(runtime: Runtime, k: number, shape: readonly number[]): Tensor {
  const size = shape.reduce((product, each) => product * each, 1);
  const elements = Array.from({ length: size }, (_, i) => Math.sin(i * 0.7 + k + 0.3));
  return runtime.tensor(elements, shape, "float64");
}

const positive = (x: Tensor) => addScalar(mul(x, x), 0.5);

type Compute = (x: Tensor, y: Tensor, z: Tensor) => Tensor;

const int64 = ({ runtime }: Tensor, rows: number[] | number[][]) => runtime.tensor(rows, undefined, "int64");
const float64 = ({ runtime }: Tensor, numbers: number[]) => runtime.tensor(numbers, undefined, "float64");

/** The functions by the names of their golden values. */
export const FUNCTIONS: Readonly<Record<string, Compute>> = {
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
      int64(x, [
        [0, 3],
        [1, 1],
        [2, 0],
      ]),
    ),
  scatter: (x, y) =>
    ops.scatter(
      x,
      1,
      int64(x, [
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
      int64(x, [
        [0, 3],
        [1, 1],
        [2, 0],
      ]),
      y,
    ),
  indexSelect: (x) => ops.indexSelect(x, 1, int64(x, [2, 0, 2])),
  index: (x) => ops.index(x, [null, int64(x, [1, 1, 3])]),
  indexAdd: (x, y) => ops.indexAdd(x, 0, int64(x, [2, 2]), y),
  maskedFill: (x) => ops.maskedFill(x, ops.gt(x, 0), -7),
  maskedSelect: (x) => ops.maskedSelect(x, ops.gt(x, 0)),
  takeAlongDim: (x) => ops.takeAlongDim(x, int64(x, [[1], [0], [3]]), 1),
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
  nllLoss: (x) => ops.nllLoss(x, int64(x, [1, -100, 3])),
  binaryCrossEntropy: (x, y) => ops.binaryCrossEntropy(sigmoid(x), sigmoid(y)),
  bceWithLogits: (x, y) => ops.bceWithLogits(x, sigmoid(y), "sum"),
  klDiv: (x, y) => ops.klDiv(x, sigmoid(y), "sum"),
  cosineSimilarity: (x, y) => ops.cosineSimilarity(x, y),
  cosineEmbeddingLoss: (x, y) => ops.cosineEmbeddingLoss(x, y, int64(x, [1, -1]), 0.1),
  smoothedCrossEntropy: (x) => ops.smoothedCrossEntropy(x, int64(x, [1, 0, 3]), 0.1),
  batchNorm: (x, w, b) => ops.batchNorm(x, w, b, null, true),
  batchNormRunning: (x, w, b) =>
    ops.batchNorm(x, w, b, { mean: float64(x, [0.1, 0.2]), variance: float64(x, [1.5, 0.5]) }, false),
  groupNorm: (x, w, b) => ops.groupNorm(x, 2, w, b),
  instanceNorm: (x) => ops.instanceNorm(x),
};

function expectClose(
  actual: Tensor | null,
  expected: readonly number[] | null,
  what: string,
  numDecimals: number,
): void {
  if (expected === null) {
    expect(actual, what).toBeNull();
    return;
  }
  const elements = actual === null ? expected.map(() => 0) : actual.toArray();
  expect(elements, what).toHaveLength(expected.length);
  for (const [i, x] of elements.entries())
    expect(x, `${what}, element ${i}`).toBeCloseTo(expected[i]!, numDecimals);
}

/** Compares a function's values and gradients, whole and split, with PyTorch's, to a number of decimal places. */
export function checkFunction(runtime: Runtime, name: string, compute: Compute, numDecimals: number): void {
  const { shapes, outputShape, output, gradients } = golden[name]!;
  // The last input is a parameter in the split backward, so that W has something to do.
  for (const isSplit of [false, true])
    runtime.scope(() => {
      const inputs = shapes.map((shape, k) => sine(runtime, k, shape));
      const isParameter = (i: number) => isSplit && i === inputs.length - 1;
      const leaves = inputs.map((x, i) => (isParameter(i) ? variable(x) : markInput(x, true)!));
      const y = compute(...(inputs as [Tensor, Tensor, Tensor]));
      expect(y.shape).toEqual(outputShape);
      expectClose(y, output, "output", numDecimals);
      const walk = new Backward([rootOf(y)!]);
      const dy = [sine(runtime, 9, outputShape)];
      if (isSplit) {
        finish(walk.backwardInputs(dy));
        finish(walk.backwardWeights());
      } else finish(walk.backward(dy));
      walk.end();
      leaves.forEach(({ grad }, i) => {
        expectClose(grad, gradients[i]!, `gradient of input ${i}`, numDecimals);
        grad?.dispose();
      });
    });
}
