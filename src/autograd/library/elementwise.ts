/** Functions of each element, as PyTorch names them: [...] to the same shape and dtype. */
import { RECIPROCAL } from "../../tensor/kernels/elementwise.ts";
import { operator } from "../../tensor/native-operator.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { differentiable } from "./differentiable.ts";

const SIN = operator("aten::sin");
const COS = operator("aten::cos");
const TAN = operator("aten::tan");
const ASIN = operator("aten::asin");
const ACOS = operator("aten::acos");
const ATAN = operator("aten::atan");
const SINH = operator("aten::sinh");
const COSH = operator("aten::cosh");
const ASINH = operator("aten::asinh");
const ACOSH = operator("aten::acosh");
const ATANH = operator("aten::atanh");
const ERF = operator("aten::erf");
const ERFC = operator("aten::erfc");
const ERFINV = operator("aten::erfinv");
const LGAMMA = operator("aten::lgamma");
const LOGIT = operator("aten::logit");
const EXP2 = operator("aten::exp2");
const EXPM1 = operator("aten::expm1");
const LOG1P = operator("aten::log1p");
const LOG2 = operator("aten::log2");
const LOG10 = operator("aten::log10");
const SQUARE = operator("aten::square");
const SIGN = operator("aten::sign");
const FLOOR = operator("aten::floor");
const CEIL = operator("aten::ceil");
const ROUND = operator("aten::round");
const TRUNC = operator("aten::trunc");
const FRAC = operator("aten::frac");
const CLAMP = operator("aten::clamp");
const MINIMUM = operator("aten::minimum");
const NAN_TO_NUM = operator("aten::nan_to_num");

/** The sine, elementwise. */
export function sin(x: Tensor): Tensor {
  return differentiable(SIN, x);
}

/** The cosine, elementwise. */
export function cos(x: Tensor): Tensor {
  return differentiable(COS, x);
}

/** The tangent, elementwise. */
export function tan(x: Tensor): Tensor {
  return differentiable(TAN, x);
}

/** The inverse sine, of elements from -1 to 1, elementwise. */
export function asin(x: Tensor): Tensor {
  return differentiable(ASIN, x);
}

/** The inverse cosine, of elements from -1 to 1, elementwise. */
export function acos(x: Tensor): Tensor {
  return differentiable(ACOS, x);
}

/** The inverse tangent, elementwise. */
export function atan(x: Tensor): Tensor {
  return differentiable(ATAN, x);
}

/** The hyperbolic sine, elementwise. */
export function sinh(x: Tensor): Tensor {
  return differentiable(SINH, x);
}

/** The hyperbolic cosine, elementwise. */
export function cosh(x: Tensor): Tensor {
  return differentiable(COSH, x);
}

/** The inverse hyperbolic sine, elementwise. */
export function asinh(x: Tensor): Tensor {
  return differentiable(ASINH, x);
}

/** The inverse hyperbolic cosine, of elements of at least 1, elementwise. */
export function acosh(x: Tensor): Tensor {
  return differentiable(ACOSH, x);
}

/** The inverse hyperbolic tangent, of elements from -1 to 1, elementwise. */
export function atanh(x: Tensor): Tensor {
  return differentiable(ATANH, x);
}

/** The error function, elementwise. */
export function erf(x: Tensor): Tensor {
  return differentiable(ERF, x);
}

/** `1 - erf(x)`, exact where erf is close to 1, elementwise. */
export function erfc(x: Tensor): Tensor {
  return differentiable(ERFC, x);
}

/** The inverse of `erf`, of elements from -1 to 1, elementwise. */
export function erfinv(x: Tensor): Tensor {
  return differentiable(ERFINV, x);
}

/** The logarithm of the absolute value of the gamma function, elementwise. */
export function lgamma(x: Tensor): Tensor {
  return differentiable(LGAMMA, x);
}

/** The inverse of `sigmoid`, `log(x / (1 - x))`, of elements from 0 to 1, elementwise. */
export function logit(x: Tensor): Tensor {
  return differentiable(LOGIT, x);
}

/** `2^x`, elementwise. */
export function exp2(x: Tensor): Tensor {
  return differentiable(EXP2, x);
}

/** `e^x - 1`, exact near 0, elementwise. */
export function expm1(x: Tensor): Tensor {
  return differentiable(EXPM1, x);
}

/** `log(1 + x)`, exact near 0, elementwise. */
export function log1p(x: Tensor): Tensor {
  return differentiable(LOG1P, x);
}

/** The logarithm of base 2, elementwise. */
export function log2(x: Tensor): Tensor {
  return differentiable(LOG2, x);
}

/** The logarithm of base 10, elementwise. */
export function log10(x: Tensor): Tensor {
  return differentiable(LOG10, x);
}

/** `x^2`, elementwise. */
export function square(x: Tensor): Tensor {
  return differentiable(SQUARE, x);
}

/** `1 / x`, elementwise. */
export function reciprocal(x: Tensor): Tensor {
  return differentiable(RECIPROCAL, x);
}

/** -1, 0 or 1 by the sign; its gradient is 0. */
export function sign(x: Tensor): Tensor {
  return differentiable(SIGN, x);
}

/** The largest whole number that is not above the element; its gradient is 0. */
export function floor(x: Tensor): Tensor {
  return differentiable(FLOOR, x);
}

/** The smallest whole number that is not below the element; its gradient is 0. */
export function ceil(x: Tensor): Tensor {
  return differentiable(CEIL, x);
}

/** The nearest whole number, the even one of two; its gradient is 0. */
export function round(x: Tensor): Tensor {
  return differentiable(ROUND, x);
}

/** The whole number next to the element towards 0; its gradient is 0. */
export function trunc(x: Tensor): Tensor {
  return differentiable(TRUNC, x);
}

/** The element less `trunc`. */
export function frac(x: Tensor): Tensor {
  return differentiable(FRAC, x);
}

/**
 * Each element, but at least `min` and at most `max`; its gradient is 0 where it was outside.
 * @param min null for no lower limit
 * @param max null for no upper limit
 */
export function clamp(x: Tensor, min: number | null, max: number | null = null): Tensor {
  return differentiable(CLAMP, x, min, max);
}

/** x with `value` in place of NaN; infinities become the largest numbers of the dtype. */
export function nanToNum(x: Tensor, value = 0): Tensor {
  return differentiable(NAN_TO_NUM, x, value);
}

/** The smaller of two elements; where they are equal, each gets half of the gradient. */
export function minimum(a: Tensor, b: Tensor): Tensor {
  return differentiable(MINIMUM, a, b);
}
