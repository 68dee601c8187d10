/** Reductions, and orders of elements: what becomes of the elements along a dimension. */
import { checkedOptions } from "../../errors/option-error.ts";
import { ARGMAX, TOPK, VECTOR_NORM } from "../../tensor/kernels/reduction.ts";
import { operator } from "../../tensor/native-operator.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { differentiable, differentiableMany, withoutGradient } from "./differentiable.ts";

const CUMSUM = operator("aten::cumsum");
const CUMPROD = operator("aten::cumprod");
const LOGCUMSUMEXP = operator("aten::logcumsumexp");
const CUMMAX = operator("aten::cummax");
const CUMMIN = operator("aten::cummin");
const DIFF = operator("aten::diff");
const LOGSUMEXP = operator("aten::logsumexp");
const VAR_DIM = operator("aten::var", "dim");
const STD_DIM = operator("aten::std", "dim");
const PROD = operator("aten::prod");
const PROD_DIM_INT = operator("aten::prod", "dim_int");
const AMAX = operator("aten::amax");
const AMIN = operator("aten::amin");
const MAX_DIM = operator("aten::max", "dim");
const MIN_DIM = operator("aten::min", "dim");
const ARGMIN = operator("aten::argmin");
const SORT = operator("aten::sort");
const MEDIAN_DIM = operator("aten::median", "dim");
const KTHVALUE = operator("aten::kthvalue");
const NANSUM = operator("aten::nansum");
const ALL = operator("aten::all");
const ANY = operator("aten::any");

/** What an operator found along a dimension, and where. */
export interface Found {
  readonly values: Tensor;
  /** int64; without a gradient. */
  readonly indices: Tensor;
}

function found(results: readonly (Tensor | null)[]): Found {
  return { values: results[0]!, indices: results[1]! };
}

/** The sums of the elements up to each one along a dimension. */
export function cumsum(x: Tensor, dim: number): Tensor {
  return differentiable(CUMSUM, x, dim);
}

/** The products of the elements up to each one along a dimension. */
export function cumprod(x: Tensor, dim: number): Tensor {
  return differentiable(CUMPROD, x, dim);
}

/** `log(cumsum(e^x))`, without overflow. */
export function logcumsumexp(x: Tensor, dim: number): Tensor {
  return differentiable(LOGCUMSUMEXP, x, dim);
}

/** The largest of the elements up to each one along a dimension, and its index, which gets the gradient. */
export function cummax(x: Tensor, dim: number): Found {
  return found(differentiableMany(CUMMAX, x, dim));
}

/** The smallest of the elements up to each one along a dimension, and its index, which gets the gradient. */
export function cummin(x: Tensor, dim: number): Found {
  return found(differentiableMany(CUMMIN, x, dim));
}

/** Each element less the one before it along a dimension, `order` times: shorter by `order`. */
export function diff(x: Tensor, order = 1, dim = -1): Tensor {
  return differentiable(DIFF, x, order, dim);
}

/** `log(sum(e^x))` over some dimensions, without overflow; `keepDims` leaves them with size 1. */
export function logsumexp(x: Tensor, dims: readonly number[], keepDims = false): Tensor {
  return differentiable(LOGSUMEXP, x, dims, keepDims);
}

export interface VarianceOptions {
  /** Divides by `n - 1` in place of n; true if not given. */
  readonly unbiased?: boolean | undefined;
  /** Leaves the dimensions with size 1; false if not given. */
  readonly keepDims?: boolean | undefined;
}

/** The variance over some dimensions, or over all (null). */
export function variance(
  x: Tensor,
  dims: readonly number[] | null = null,
  options: VarianceOptions = {},
): Tensor {
  const { unbiased = true, keepDims = false } = checkedOptions("variance", options, ["unbiased", "keepDims"]);
  return differentiable(VAR_DIM, x, dims ?? allDims(x), unbiased, keepDims);
}

/** The standard deviation, the square root of `variance`. */
export function std(x: Tensor, dims: readonly number[] | null = null, options: VarianceOptions = {}): Tensor {
  const { unbiased = true, keepDims = false } = checkedOptions("std", options, ["unbiased", "keepDims"]);
  return differentiable(STD_DIM, x, dims ?? allDims(x), unbiased, keepDims);
}

/** `sum(|x|^order)^(1/order)` over some dimensions, or over all (null). */
export function norm(x: Tensor, order = 2, dims: readonly number[] | null = null, keepDims = false): Tensor {
  return differentiable(VECTOR_NORM, x, order, dims, keepDims);
}

/** The product over a dimension, or over all (null). */
export function prod(x: Tensor, dim: number | null = null, keepDims = false): Tensor {
  return dim === null ? differentiable(PROD, x) : differentiable(PROD_DIM_INT, x, dim, keepDims);
}

/** The largest elements over some dimensions; equal ones share the gradient. */
export function amax(x: Tensor, dims: readonly number[] | null = null, keepDims = false): Tensor {
  return differentiable(AMAX, x, dims ?? [], keepDims);
}

/** The smallest elements over some dimensions; equal ones share the gradient. */
export function amin(x: Tensor, dims: readonly number[] | null = null, keepDims = false): Tensor {
  return differentiable(AMIN, x, dims ?? [], keepDims);
}

/** The largest element along a dimension, and its index, which gets the whole gradient. */
export function max(x: Tensor, dim: number, keepDims = false): Found {
  return found(differentiableMany(MAX_DIM, x, dim, keepDims));
}

/** The smallest element along a dimension, and its index, which gets the whole gradient. */
export function min(x: Tensor, dim: number, keepDims = false): Found {
  return found(differentiableMany(MIN_DIM, x, dim, keepDims));
}

/** The element in the middle of a dimension, the lower one of two, and its index, which gets the whole gradient. */
export function median(x: Tensor, dim: number, keepDims = false): Found {
  return found(differentiableMany(MEDIAN_DIM, x, dim, keepDims));
}

/** The k-th smallest element along a dimension, from 1 on, and its index, which gets the whole gradient. */
export function kthValue(x: Tensor, k: number, dim = -1, keepDims = false): Found {
  return found(differentiableMany(KTHVALUE, x, k, dim, keepDims));
}

/** The sum over some dimensions, or over all (null), of the elements that are not NaN. */
export function nansum(x: Tensor, dims: readonly number[] | null = null, keepDims = false): Tensor {
  return differentiable(NANSUM, x, dims, keepDims);
}

/** The index of the largest element along a dimension, or of all in row-major order (null): int64. */
export function argmax(x: Tensor, dim: number | null = null, keepDims = false): Tensor {
  return withoutGradient(ARGMAX, x, dim, keepDims);
}

/** The index of the smallest element along a dimension, or of all in row-major order (null): int64. */
export function argmin(x: Tensor, dim: number | null = null, keepDims = false): Tensor {
  return withoutGradient(ARGMIN, x, dim, keepDims);
}

/** The k largest elements along a dimension, the largest first, or the smallest. */
export function topk(x: Tensor, k: number, dim = -1, largest = true): Found {
  return found(differentiableMany(TOPK, x, k, dim, largest));
}

/** The elements along a dimension in order. */
export function sort(x: Tensor, dim = -1, descending = false): Found {
  return found(differentiableMany(SORT, x, dim, descending));
}

/** True when all elements are true, or not 0: a bool tensor []. */
export function all(x: Tensor): Tensor {
  return withoutGradient(ALL, x);
}

/** True when one of the elements is true, or not 0: a bool tensor []. */
export function any(x: Tensor): Tensor {
  return withoutGradient(ANY, x);
}

function allDims(x: Tensor): number[] {
  return [...x.shape.keys()];
}
