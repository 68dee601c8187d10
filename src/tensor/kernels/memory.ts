import { type DType, dtypeCode } from "../dtype.ts";
import { operator } from "../native-operator.ts";
import type { Tensor } from "../tensor.ts";

const EMPTY_LIKE = operator("aten::empty_like");
const ZEROS_LIKE = operator("aten::zeros_like");
const ONES_LIKE = operator("aten::ones_like");
const CLONE = operator("aten::clone");
const TO_DTYPE = operator("aten::to", "dtype");
const CONTIGUOUS = operator("aten::contiguous");
const COPY_INPLACE = operator("aten::copy_");
const FILL_SCALAR_INPLACE = operator("aten::fill_", "Scalar");
const TRIU_INPLACE = operator("aten::triu_");
const INDEX_ADD_INPLACE = operator("aten::index_add_");
const INDEX_PUT_INPLACE = operator("aten::index_put_");
export const INDEX_SELECT = operator("aten::index_select");
const CAT = operator("aten::cat");
const STACK = operator("aten::stack");

/** at::MemoryFormat::Contiguous */
const ROW_MAJOR = 0;

export function emptyLike(x: Tensor, dtype: DType): Tensor {
  return x.runtime.kernel(EMPTY_LIKE, x, dtypeCode(dtype));
}

export function zerosLike(x: Tensor): Tensor {
  return x.runtime.kernel(ZEROS_LIKE, x);
}

export function onesLike(x: Tensor): Tensor {
  return x.runtime.kernel(ONES_LIKE, x);
}

/** A copy with the strides of x. */
export function clone(x: Tensor): Tensor {
  return x.runtime.kernel(CLONE, x);
}

/** A copy in row-major order, whatever the strides of x are. */
export function cloneRowMajor(x: Tensor): Tensor {
  return x.runtime.kernel(CLONE, x, ROW_MAJOR);
}

/** x converted; a second owner of its storage when it has this dtype already. */
export function toDtype(x: Tensor, dtype: DType): Tensor {
  return x.runtime.kernel(TO_DTYPE, x, dtypeCode(dtype));
}

export function contiguous(x: Tensor): Tensor {
  return x.runtime.kernel(CONTIGUOUS, x);
}

export function copy_(x: Tensor, source: Tensor): void {
  x.runtime.kernelInPlace(COPY_INPLACE, x, source);
}

export function fillScalar_(x: Tensor, value: number): void {
  x.runtime.kernelInPlace(FILL_SCALAR_INPLACE, x, value);
}

/** Sets what lies below a diagonal to 0. */
export function triu_(x: Tensor, diagonal: number): void {
  x.runtime.kernelInPlace(TRIU_INPLACE, x, diagonal);
}

/** Adds each slice of the source to that slice of x whose index it has. */
export function indexAdd_(x: Tensor, dim: number, indices: Tensor, source: Tensor): void {
  x.runtime.kernelInPlace(INDEX_ADD_INPLACE, x, dim, indices, source);
}

/**
 * Adds each row of the source to that row of x whose index it has. On a card it sorts the indices and adds in a fixed
 * order, where `indexAdd_` adds in the order in which threads happen to run.
 */
export function indexPut_(x: Tensor, indices: Tensor, source: Tensor): void {
  x.runtime.kernelInPlace(INDEX_PUT_INPLACE, x, [indices], source, true);
}

export function indexSelect(x: Tensor, dim: number, indices: Tensor): Tensor {
  return x.runtime.kernel(INDEX_SELECT, x, dim, indices);
}

/** @param tensors One at least. */
export function cat(tensors: readonly (Tensor | null)[], dim: number): Tensor {
  return tensors[0]!.runtime.kernel(CAT, tensors, dim);
}

/** @param tensors One at least. */
export function stack(tensors: readonly Tensor[], dim: number): Tensor {
  return tensors[0]!.runtime.kernel(STACK, tensors, dim);
}
