import fc from "fast-check";
import * as ops from "../../../src/autograd/index.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import { shapeOf } from "../shapes.ts";
import { type Property, property, shapeAndDim, shapeWithZeros, small } from "./property.ts";

type Options = Pick<Property, "positive" | "range">;

const anyDim = shapeAndDim(shapeWithZeros(1, 4));
const someDim = shapeAndDim(shapeOf(1, 4));

/** Along one dimension, which is LibTorch's first number. */
const along = (
  name: string,
  f: (x: Tensor, dim: number) => Tensor,
  setting = anyDim,
  options: Options = {},
) =>
  property(name, {
    setting,
    shapes: ({ shape }) => [shape],
    ours: ([x], { dim }) => f(x!, dim),
    args: ([x], { dim }) => [x!, dim],
    ...options,
  });

/** The values found along a dimension. */
const found = (name: string, f: (x: Tensor, dim: number, keepDims: boolean) => ops.Found) =>
  property(name, {
    setting: fc.record({ at: someDim, keepDims: fc.boolean() }),
    shapes: ({ at }) => [at.shape],
    ours: ([x], { at, keepDims }) => f(x!, at.dim, keepDims).values,
    args: ([x], { at, keepDims }) => [x!, at.dim, keepDims],
  });

const dimsOf = fc.record({ shape: shapeOf(0, 4), keepDims: fc.boolean() }).chain(({ shape, keepDims }) =>
  fc.record({
    shape: fc.constant(shape),
    keepDims: fc.constant(keepDims),
    dims:
      shape.length === 0 ? fc.constant(null) : fc.option(fc.subarray([...shape.keys()], { minLength: 1 })),
  }),
);

/** Over some dimensions, or over all. */
const over = (
  name: string,
  f: (x: Tensor, dims: readonly number[] | null, keepDims: boolean) => Tensor,
  all: (x: Tensor) => readonly number[] | null,
  options: Options = {},
) =>
  property(name, {
    setting: dimsOf,
    shapes: ({ shape }) => [shape],
    // Without dims, LibTorch's operators of this form keep none.
    ours: ([x], { dims, keepDims }) => f(x!, dims, keepDims),
    args: ([x], { dims, keepDims }) => [x!, dims ?? all(x!), keepDims],
    ...options,
  });

const everyDim = (x: Tensor) => [...x.shape.keys()];

/** Variances of at least two elements in each dimension, since that of one is not a number. */
const variances = (name: string, f: typeof ops.variance) =>
  property(`${name}.dim`, {
    setting: fc.record({ at: dimsOf, unbiased: fc.boolean() }),
    shapes: ({ at }) => [at.shape.length === 0 ? [2] : at.shape.map((size) => size + 1)],
    ours: ([x], { at: { dims, keepDims }, unbiased }) => f(x!, dims, { unbiased, keepDims }),
    args: ([x], { at: { dims, keepDims }, unbiased }) => [x!, dims ?? everyDim(x!), unbiased, keepDims],
  });

const ordered = fc.record({ at: someDim, k: small, isLargest: fc.boolean() }).map(({ at, k, isLargest }) => ({
  ...at,
  k: Math.min(k, at.shape.at(at.dim)!),
  isLargest,
}));

export const REDUCTIONS: Readonly<Record<string, Property>> = {
  cumsum: along("cumsum", ops.cumsum),
  cumprod: along("cumprod", ops.cumprod),
  logcumsumexp: along("logcumsumexp", ops.logcumsumexp, someDim),
  cummax: along("cummax", (x, dim) => ops.cummax(x, dim).values),
  cummin: along("cummin", (x, dim) => ops.cummin(x, dim).values),
  diff: property("diff", {
    setting: fc.record({ at: someDim, order: fc.integer({ min: 1, max: 2 }) }),
    shapes: ({ at }) => [at.shape],
    ours: ([x], { at, order }) => ops.diff(x!, order, at.dim),
    args: ([x], { at, order }) => [x!, order, at.dim],
  }),
  logsumexp: over(
    "logsumexp",
    (x, dims, keepDims) => ops.logsumexp(x, dims ?? everyDim(x), keepDims),
    everyDim,
  ),
  variance: variances("var", ops.variance),
  std: variances("std", ops.std),
  norm: property("linalg_vector_norm", {
    setting: fc.record({ at: dimsOf, order: fc.constantFrom(1, 2, 3, 2.5) }),
    shapes: ({ at }) => [at.shape],
    ours: ([x], { at: { dims, keepDims }, order }) => ops.norm(x!, order, dims, keepDims),
    args: ([x], { at: { dims, keepDims }, order }) => [x!, order, dims, keepDims],
  }),
  prod: along("prod.dim_int", (x, dim) => ops.prod(x, dim)),
  "prod of all": property("prod", {
    setting: shapeWithZeros(0, 3),
    shapes: (shape) => [shape],
    ours: ([x]) => ops.prod(x!),
    args: ([x]) => [x!],
  }),
  amax: over("amax", ops.amax, () => []),
  amin: over("amin", ops.amin, () => []),
  nansum: over("nansum", ops.nansum, () => null),
  max: found("max.dim", ops.max),
  min: found("min.dim", ops.min),
  median: found("median.dim", ops.median),
  kthValue: property("kthvalue", {
    setting: ordered,
    shapes: ({ shape }) => [shape],
    ours: ([x], { k, dim }) => ops.kthValue(x!, k, dim).values,
    args: ([x], { k, dim }) => [x!, k, dim],
  }),
  topk: property("topk", {
    setting: ordered,
    shapes: ({ shape }) => [shape],
    ours: ([x], { k, dim, isLargest }) => ops.topk(x!, k, dim, isLargest).values,
    args: ([x], { k, dim, isLargest }) => [x!, k, dim, isLargest],
  }),
  sort: property("sort", {
    setting: ordered,
    shapes: ({ shape }) => [shape],
    ours: ([x], { dim, isLargest }) => ops.sort(x!, dim, isLargest).values,
    args: ([x], { dim, isLargest }) => [x!, dim, isLargest],
  }),
};
