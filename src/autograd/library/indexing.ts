/** Elements by their indices, and tensors filled by a rule of the position. */
import { MASKED_FILL } from "../../tensor/kernels/elementwise.ts";
import { INDEX_SELECT } from "../../tensor/kernels/memory.ts";
import { UNBIND } from "../../tensor/kernels/view.ts";
import { operator } from "../../tensor/native-operator.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { differentiable, differentiableMany, withoutGradient } from "./differentiable.ts";

const GATHER = operator("aten::gather");
const SCATTER_SRC = operator("aten::scatter", "src");
const SCATTER_ADD = operator("aten::scatter_add");
const INDEX_TENSOR = operator("aten::index", "Tensor");
const INDEX_ADD = operator("aten::index_add");
const MASKED_SELECT = operator("aten::masked_select");
const TAKE_ALONG_DIM = operator("aten::take_along_dim");
const INDEX_COPY = operator("aten::index_copy");
const INDEX_FILL = operator("aten::index_fill", "int_Scalar");
const MASKED_SCATTER = operator("aten::masked_scatter");
const TAKE = operator("aten::take");
const UNFOLD = operator("aten::unfold");
const MOVEDIM = operator("aten::movedim", "int");
const TRIL = operator("aten::tril");
const TRIU = operator("aten::triu");
const DIAGONAL = operator("aten::diagonal");
const FLIP = operator("aten::flip");
const ROLL = operator("aten::roll");
const REPEAT = operator("aten::repeat");
const REPEAT_INTERLEAVE_SELF_INT = operator("aten::repeat_interleave", "self_int");
const ONE_HOT = operator("aten::one_hot");

/**
 * `y[i][j] = x[indices[i][j]][j]` for `dim` 0, and so on.
 * @param indices int64, of as many dimensions as x
 * @returns Of the shape of `indices`.
 */
export function gather(x: Tensor, dim: number, indices: Tensor): Tensor {
  return differentiable(GATHER, x, dim, indices);
}

/** x with `source[i][j]` at `[indices[i][j]][j]` for `dim` 0, and so on; which one stays is open where two meet. */
export function scatter(x: Tensor, dim: number, indices: Tensor, source: Tensor): Tensor {
  return differentiable(SCATTER_SRC, x, dim, indices, source);
}

/** x plus `source[i][j]` at `[indices[i][j]][j]` for `dim` 0, and so on. */
export function scatterAdd(x: Tensor, dim: number, indices: Tensor, source: Tensor): Tensor {
  return differentiable(SCATTER_ADD, x, dim, indices, source);
}

/** The slices of x at `indices` int64 [n] of a dimension. */
export function indexSelect(x: Tensor, dim: number, indices: Tensor): Tensor {
  return differentiable(INDEX_SELECT, x, dim, indices);
}

/**
 * The elements at the given indices of the first dimensions, as `x[a, b]` in PyTorch.
 * @param indices int64 tensors that broadcast, or bool masks; null takes a dimension whole
 */
export function index(x: Tensor, indices: readonly (Tensor | null)[]): Tensor {
  return differentiable(INDEX_TENSOR, x, indices);
}

/** x plus the slices of `source` at `indices` int64 [n] of a dimension. */
export function indexAdd(x: Tensor, dim: number, indices: Tensor, source: Tensor): Tensor {
  return differentiable(INDEX_ADD, x, dim, indices, source);
}

/** x with the slices of `source` at `indices` int64 [n] of a dimension; which one stays is open where two meet. */
export function indexCopy(x: Tensor, dim: number, indices: Tensor, source: Tensor): Tensor {
  return differentiable(INDEX_COPY, x, dim, indices, source);
}

/** x with `value` in the slices at `indices` int64 [n] of a dimension. */
export function indexFill(x: Tensor, dim: number, indices: Tensor, value: number): Tensor {
  return differentiable(INDEX_FILL, x, dim, indices, value);
}

/** x with `value` where the mask, a bool tensor that broadcasts to x, is true. */
export function maskedFill(x: Tensor, mask: Tensor, value: number): Tensor {
  return differentiable(MASKED_FILL, x, mask, value);
}

/** The elements where the bool mask is true, in row-major order: [n]. */
export function maskedSelect(x: Tensor, mask: Tensor): Tensor {
  return differentiable(MASKED_SELECT, x, mask);
}

/** x with the elements of `source`, in row-major order, where the bool mask is true. */
export function maskedScatter(x: Tensor, mask: Tensor, source: Tensor): Tensor {
  return differentiable(MASKED_SCATTER, x, mask, source);
}

/** The elements at `indices` int64 [...] of x in row-major order: of the shape of `indices`. */
export function take(x: Tensor, indices: Tensor): Tensor {
  return differentiable(TAKE, x, indices);
}

/** `gather` with indices that broadcast to x but for `dim`. */
export function takeAlongDim(x: Tensor, indices: Tensor, dim: number | null = null): Tensor {
  return differentiable(TAKE_ALONG_DIM, x, indices, dim);
}

/** x [..., m, n] with 0 above a diagonal: the main one, or one `diagonal` places above it. */
export function tril(x: Tensor, diagonal = 0): Tensor {
  return differentiable(TRIL, x, diagonal);
}

/** x [..., m, n] with 0 below a diagonal: the main one, or one `diagonal` places above it. */
export function triu(x: Tensor, diagonal = 0): Tensor {
  return differentiable(TRIU, x, diagonal);
}

/** A diagonal of two dimensions, as the last dimension of the result. */
export function diagonal(x: Tensor, offset = 0, dimA = 0, dimB = 1): Tensor {
  return differentiable(DIAGONAL, x, offset, dimA, dimB);
}

/** Windows of a dimension, `step` apart: the dimension counts them, and a new last one has their `size` elements. */
export function windows(x: Tensor, dim: number, size: number, step: number): Tensor {
  return differentiable(UNFOLD, x, dim, size, step);
}

/** The slices of a dimension, as views without it. */
export function unbind(x: Tensor, dim = 0): Tensor[] {
  return differentiableMany(UNBIND, x, dim) as Tensor[];
}

/** x with a dimension at another position, and the others in their order. */
export function movedim(x: Tensor, from: number, to: number): Tensor {
  return differentiable(MOVEDIM, x, from, to);
}

/** The elements in reverse order along these dimensions. */
export function flip(x: Tensor, dims: readonly number[]): Tensor {
  return differentiable(FLIP, x, dims);
}

/** The elements moved along dimensions; those moved past the end come back at the start. */
export function roll(x: Tensor, shifts: readonly number[], dims: readonly number[]): Tensor {
  return differentiable(ROLL, x, shifts, dims);
}

/** x several times along each dimension; more numbers than dimensions add dimensions at the front. */
export function tile(x: Tensor, numRepeats: readonly number[]): Tensor {
  return differentiable(REPEAT, x, numRepeats);
}

/** Each slice of a dimension several times in a row. */
export function repeatInterleave(x: Tensor, numRepeats: number, dim: number | null = null): Tensor {
  return differentiable(REPEAT_INTERLEAVE_SELF_INT, x, numRepeats, dim);
}

/** int64 [...] to int64 [..., numClasses]: 1 at the index, 0 elsewhere; without a gradient. */
export function oneHot(indices: Tensor, numClasses: number): Tensor {
  return withoutGradient(ONE_HOT, indices, numClasses);
}
