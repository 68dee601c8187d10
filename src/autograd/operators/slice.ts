import { ShapeError } from "../../tensor/errors.ts";
import * as kernels from "../../tensor/kernels/index.ts";
import { dimension, shapeMismatch } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { record } from "../record.ts";

/**
 * A view of the positions `start`, `start + step`, ... before `end` of one dimension; negative ones count from
 * its end.
 */
export function slice(x: Tensor, dim: number, start: number, end = x.shape.at(dim)!, step = 1): Tensor {
  const y = kernels.slice(x, dim, start, end, step);
  const { shape } = x;
  return record("slice", { x }, y, {}, (dy) => ({
    x: kernels.sliceBackward(dy, shape, dim, start, end, step),
  }));
}

/** A view of `length` positions of one dimension. */
export function narrow(x: Tensor, dim: number, start: number, length: number): Tensor {
  const at = dimension("narrow", x, dim);
  const size = x.shape[at]!;
  if (start < 0 || length < 0 || start + length > size)
    throw shapeMismatch("narrow", `${start} + ${length} must be within the ${size} of dimension ${at}`, {
      x,
    });
  return slice(x, at, start, start + length);
}

/** A view of one position of a dimension, which is left out of the result. */
export function select(x: Tensor, dim: number, index: number): Tensor {
  const y = kernels.select(x, dim, index);
  const { shape } = x;
  return record("select", { x }, y, {}, (dy) => ({ x: kernels.selectBackward(dy, shape, dim, index) }));
}

/** Views of consecutive parts of a dimension: of these sizes, or of one size, where the last part may be smaller. */
export function split(x: Tensor, size: number | readonly number[], dim = 0): Tensor[] {
  const { runtime, dtype } = x;
  const at = dimension("split", x, dim);
  const total = x.shape[at]!;
  const sizes = typeof size === "number" ? equalParts(total, size) : size;
  if (sizes.reduce((a, b) => a + b, 0) !== total)
    throw shapeMismatch("split", `the sizes [${sizes.join(", ")}] must add up to dimension ${at}`, { x });
  const parts = kernels.splitWithSizes(x, sizes, at);
  const shapes = sizes.map((part) => x.shape.with(at, part));
  return record("split", { x }, parts, {}, (_dy, _saved, { gradients }) => ({
    // Zeros for parts without a gradient.
    x: kernels.cat(
      gradients.map((gradient, i) => gradient ?? runtime.zeros(shapes[i]!, dtype)),
      at,
    ),
  }));
}

/** `split` into `numParts` equal parts, or fewer; the last may be smaller. */
export function chunk(x: Tensor, numParts: number, dim = 0): Tensor[] {
  const size = x.shape[dimension("chunk", x, dim)]!;
  return split(x, Math.max(1, Math.ceil(size / numParts)), dim);
}

function equalParts(total: number, size: number): number[] {
  if (!(size >= 1)) throw new ShapeError(`split: the size of a part must be at least 1; got ${size}`);
  const numParts = Math.max(1, Math.ceil(total / size));
  return Array.from({ length: numParts }, (_, i) => Math.min(size, total - i * size));
}
