import { dtypeCode } from "../dtype.ts";
import { operator } from "../native-operator.ts";
import type { Tensor } from "../tensor.ts";

const MM = operator("aten::mm");
const BMM = operator("aten::bmm");
const MATMUL = operator("aten::matmul");
const ADDMM = operator("aten::addmm");
const ADDMM_INPLACE = operator("aten::addmm_");
const ADDMM_DTYPE_OUT = operator("aten::addmm", "dtype_out");
const BADDBMM = operator("aten::baddbmm");
const BADDBMM_INPLACE = operator("aten::baddbmm_");

/** `a b`, of matrices. */
export function mm(a: Tensor, b: Tensor): Tensor {
  return a.runtime.kernel(MM, a, b);
}

/** `a b`, of each pair of matrices. */
export function bmm(a: Tensor, b: Tensor): Tensor {
  return a.runtime.kernel(BMM, a, b);
}

/** `a b`, with broadcast dimensions in front. */
export function matmul(a: Tensor, b: Tensor): Tensor {
  return a.runtime.kernel(MATMUL, a, b);
}

/** `x + a b`, of matrices. */
export function addmm(x: Tensor, a: Tensor, b: Tensor): Tensor {
  return x.runtime.kernel(ADDMM, x, a, b);
}

/** `x += a b`, of matrices. */
export function addmm_(x: Tensor, a: Tensor, b: Tensor): void {
  x.runtime.kernelInPlace(ADDMM_INPLACE, x, a, b);
}

/** `x += a b`, of matrices of another dtype than the sum's, such as bfloat16 into float32; on cards only. */
export function addmmWide_(x: Tensor, a: Tensor, b: Tensor): void {
  x.runtime.kernelInPlace(ADDMM_DTYPE_OUT, x, a, b, dtypeCode(x.dtype), 1, 1, x);
}

/** `x + alpha a b`, of each pair of matrices. */
export function baddbmm(x: Tensor, a: Tensor, b: Tensor, alpha: number): Tensor {
  return x.runtime.kernel(BADDBMM, x, a, b, 1, alpha);
}

/** `x += a b`, of each pair of matrices. */
export function baddbmm_(x: Tensor, a: Tensor, b: Tensor): void {
  x.runtime.kernelInPlace(BADDBMM_INPLACE, x, a, b);
}
