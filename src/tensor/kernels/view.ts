import { operator } from "../native-operator.ts";
import type { Tensor } from "../tensor.ts";

const RESHAPE = operator("aten::reshape");
const T = operator("aten::t");
const TRANSPOSE = operator("aten::transpose", "int");
const PERMUTE = operator("aten::permute");
const EXPAND = operator("aten::expand");
const DETACH = operator("aten::detach");
const SLICE = operator("aten::slice", "Tensor");
const SLICE_BACKWARD = operator("aten::slice_backward");
const SELECT = operator("aten::select", "int");
const SELECT_BACKWARD = operator("aten::select_backward");
const NARROW = operator("aten::narrow");
const SPLIT_WITH_SIZES = operator("aten::split_with_sizes");
export const UNBIND = operator("aten::unbind", "int");

/** A view where the strides allow one, else a copy. */
export function reshape(x: Tensor, shape: readonly number[]): Tensor {
  return x.runtime.kernel(RESHAPE, x, shape).asViewOf(x);
}

/** A matrix transposed. */
export function t(x: Tensor): Tensor {
  return x.runtime.kernel(T, x).asViewOf(x);
}

export function transpose(x: Tensor, dimA: number, dimB: number): Tensor {
  return x.runtime.kernel(TRANSPOSE, x, dimA, dimB).asViewOf(x);
}

export function permute(x: Tensor, dims: readonly number[]): Tensor {
  return x.runtime.kernel(PERMUTE, x, dims).asViewOf(x);
}

export function expand(x: Tensor, shape: readonly number[]): Tensor {
  return x.runtime.kernel(EXPAND, x, shape).asViewOf(x);
}

export function detach(x: Tensor): Tensor {
  return x.runtime.kernel(DETACH, x).asViewOf(x);
}

export function slice(x: Tensor, dim: number, start: number, end: number, step: number): Tensor {
  return x.runtime.kernel(SLICE, x, dim, start, end, step).asViewOf(x);
}

/** Zeros of this shape, with dy where `slice` took its elements. */
export function sliceBackward(
  dy: Tensor,
  shape: readonly number[],
  dim: number,
  start: number,
  end: number,
  step: number,
): Tensor {
  return dy.runtime.kernel(SLICE_BACKWARD, dy, shape, dim, start, end, step);
}

export function select(x: Tensor, dim: number, index: number): Tensor {
  return x.runtime.kernel(SELECT, x, dim, index).asViewOf(x);
}

/** Zeros of this shape, with dy where `select` took its elements. */
export function selectBackward(dy: Tensor, shape: readonly number[], dim: number, index: number): Tensor {
  return dy.runtime.kernel(SELECT_BACKWARD, dy, shape, dim, index);
}

export function narrow(x: Tensor, dim: number, start: number, length: number): Tensor {
  return x.runtime.kernel(NARROW, x, dim, start, length).asViewOf(x);
}

export function splitWithSizes(x: Tensor, sizes: readonly number[], dim: number): Tensor[] {
  return x.runtime.kernelMany(SPLIT_WITH_SIZES, x, sizes, dim).map((view) => view!.asViewOf(x));
}

export function unbind(x: Tensor, dim: number): Tensor[] {
  return x.runtime.kernelMany(UNBIND, x, dim).map((view) => view!.asViewOf(x));
}
