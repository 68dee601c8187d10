import { type DType, dtypeCode } from "../dtype.ts";
import { operator } from "../native-operator.ts";
import type { Tensor } from "../tensor.ts";

const SUM = operator("aten::sum", "dim_IntList");
const MEAN = operator("aten::mean", "dim");
const SUM_TO_SIZE = operator("aten::sum_to_size");
export const VECTOR_NORM = operator("aten::linalg_vector_norm");
export const ARGMAX = operator("aten::argmax");
export const TOPK = operator("aten::topk");

/** @param dims Null for all. */
export function sum(x: Tensor, dims: readonly number[] | null, keepDims = false): Tensor {
  return x.runtime.kernel(SUM, x, dims, keepDims);
}

/** @param dims Null for all. */
export function mean(x: Tensor, dims: readonly number[] | null, keepDims = false): Tensor {
  return x.runtime.kernel(MEAN, x, dims, keepDims);
}

/** The sum over the dimensions in which x is larger than this shape: the opposite of broadcasting to x. */
export function sumToSize(x: Tensor, shape: readonly number[]): Tensor {
  return x.runtime.kernel(SUM_TO_SIZE, x, shape);
}

/** The 2-norm, summed in this dtype. @param dims Null for all. */
export function vectorNorm(x: Tensor, dims: readonly number[] | null, dtype: DType): Tensor {
  return x.runtime.kernel(VECTOR_NORM, x, 2, dims, false, dtypeCode(dtype));
}

/** The largest absolute value; NaN if an element is. */
export function largestMagnitude(x: Tensor): Tensor {
  return x.runtime.kernel(VECTOR_NORM, x, Number.POSITIVE_INFINITY, null, false, null);
}

/** The index of the largest element. */
export function argmax(x: Tensor): Tensor {
  return x.runtime.kernel(ARGMAX, x);
}

/** The largest elements of the last dimension and their indices, the largest first. */
export function topk(x: Tensor, numLargest: number): [values: Tensor, indices: Tensor] {
  return x.runtime.kernelMany(TOPK, x, numLargest) as [Tensor, Tensor];
}
