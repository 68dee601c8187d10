import { operator } from "../native-operator.ts";
import type { Tensor } from "../tensor.ts";

const ADD = operator("aten::add", "Tensor");
const ADD_INPLACE = operator("aten::add_", "Tensor");
const ADD_SCALAR = operator("aten::add", "Scalar");
const ADD_SCALAR_INPLACE = operator("aten::add_", "Scalar");
const SUB = operator("aten::sub", "Tensor");
const MUL = operator("aten::mul", "Tensor");
const MUL_INPLACE = operator("aten::mul_", "Tensor");
const MUL_SCALAR = operator("aten::mul", "Scalar");
const MUL_SCALAR_INPLACE = operator("aten::mul_", "Scalar");
const DIV = operator("aten::div", "Tensor");
const RSUB_SCALAR = operator("aten::rsub", "Scalar");
export const RECIPROCAL = operator("aten::reciprocal");
const NEG = operator("aten::neg");
const POW_SCALAR = operator("aten::pow", "Tensor_Scalar");
const EXP = operator("aten::exp");
const LOG = operator("aten::log");
const SQRT = operator("aten::sqrt");
const RSQRT = operator("aten::rsqrt");
const RSQRT_INPLACE = operator("aten::rsqrt_");
const ABS = operator("aten::abs");
const SGN = operator("aten::sgn");
const MAXIMUM = operator("aten::maximum");
export const LT = operator("aten::lt", "Tensor");
export const EQ = operator("aten::eq", "Tensor");
export const MASKED_FILL = operator("aten::masked_fill", "Scalar");
const WHERE = operator("aten::where", "self");

export function add(a: Tensor, b: Tensor | number): Tensor {
  return a.runtime.kernel(ADD, a, b);
}

export function add_(a: Tensor, b: Tensor): void {
  a.runtime.kernelInPlace(ADD_INPLACE, a, b);
}

export function addScalar(a: Tensor, b: number): Tensor {
  return a.runtime.kernel(ADD_SCALAR, a, b);
}

export function addScalar_(a: Tensor, b: number): void {
  a.runtime.kernelInPlace(ADD_SCALAR_INPLACE, a, b);
}

export function sub(a: Tensor, b: Tensor | number): Tensor {
  return a.runtime.kernel(SUB, a, b);
}

export function mul(a: Tensor, b: Tensor | number): Tensor {
  return a.runtime.kernel(MUL, a, b);
}

export function mul_(a: Tensor, b: Tensor): void {
  a.runtime.kernelInPlace(MUL_INPLACE, a, b);
}

export function mulScalar(a: Tensor, b: number): Tensor {
  return a.runtime.kernel(MUL_SCALAR, a, b);
}

export function mulScalar_(a: Tensor, b: number): void {
  a.runtime.kernelInPlace(MUL_SCALAR_INPLACE, a, b);
}

export function div(a: Tensor, b: Tensor | number): Tensor {
  return a.runtime.kernel(DIV, a, b);
}

/** `b - a` */
export function subFrom(a: Tensor, b: number): Tensor {
  return a.runtime.kernel(RSUB_SCALAR, a, b);
}

export function reciprocal(x: Tensor): Tensor {
  return x.runtime.kernel(RECIPROCAL, x);
}

export function neg(x: Tensor): Tensor {
  return x.runtime.kernel(NEG, x);
}

export function powScalar(x: Tensor, exponent: number): Tensor {
  return x.runtime.kernel(POW_SCALAR, x, exponent);
}

export function exp(x: Tensor): Tensor {
  return x.runtime.kernel(EXP, x);
}

export function log(x: Tensor): Tensor {
  return x.runtime.kernel(LOG, x);
}

export function sqrt(x: Tensor): Tensor {
  return x.runtime.kernel(SQRT, x);
}

export function rsqrt(x: Tensor): Tensor {
  return x.runtime.kernel(RSQRT, x);
}

export function rsqrt_(x: Tensor): void {
  x.runtime.kernelInPlace(RSQRT_INPLACE, x);
}

export function abs(x: Tensor): Tensor {
  return x.runtime.kernel(ABS, x);
}

/** -1, 0 or 1. */
export function sgn(x: Tensor): Tensor {
  return x.runtime.kernel(SGN, x);
}

export function maximum(a: Tensor, b: Tensor): Tensor {
  return a.runtime.kernel(MAXIMUM, a, b);
}

export function lt(a: Tensor, b: Tensor): Tensor {
  return a.runtime.kernel(LT, a, b);
}

export function eq(a: Tensor, b: Tensor): Tensor {
  return a.runtime.kernel(EQ, a, b);
}

/** x, and the value where the mask is true. */
export function maskedFill(x: Tensor, mask: Tensor, value: number): Tensor {
  return x.runtime.kernel(MASKED_FILL, x, mask, value);
}

export function where(condition: Tensor, a: Tensor | number, b: Tensor | number): Tensor {
  return condition.runtime.kernel(WHERE, condition, a, b);
}
