import * as kernels from "../../tensor/kernels/index.ts";
import { dimension } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { record } from "../record.ts";

/** The sum over some dimensions, or over all (`dims` null); `keepDims` leaves them with size 1. */
export function sum(x: Tensor, dims: readonly number[] | null = null, keepDims = false): Tensor {
  const y = kernels.sum(x, dims, keepDims);
  const { shape } = x;
  const kept = keptShape("sum", x, dims);
  // Each element gets dy: as a copy, because an expanded view cannot take further gradients in place.
  return record("sum", { x }, y, {}, (dy) => ({ x: kernels.cloneRowMajor(repeat(dy, kept, shape)) }));
}

/** The mean over some dimensions, or over all (`dims` null); `keepDims` leaves them with size 1. */
export function mean(x: Tensor, dims: readonly number[] | null = null, keepDims = false): Tensor {
  const y = kernels.mean(x, dims, keepDims);
  const { shape } = x;
  const kept = keptShape("mean", x, dims);
  const numSummed = shape.reduce((product, size, i) => (kept[i] === size ? product : product * size), 1);
  return record("mean", { x }, y, {}, (dy) => ({
    x: kernels.div(repeat(dy, kept, shape), numSummed), // dy / n, to each element
  }));
}

/** The shape with its reduced dimensions as 1: all of them for null, and, as in LibTorch, for an empty list. */
function keptShape(name: string, x: Tensor, dims: readonly number[] | null): number[] {
  if (dims === null || dims.length === 0) return x.shape.map(() => 1);
  const reduced = new Set(dims.map((dim) => dimension(name, x, dim)));
  return x.shape.map((size, i) => (reduced.has(i) ? 1 : size));
}

function repeat(dy: Tensor, kept: readonly number[], shape: readonly number[]): Tensor {
  return kernels.expand(kernels.reshape(dy, kept), shape);
}
