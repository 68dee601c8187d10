import type { DType } from "../../tensor/dtype.ts";
import * as kernels from "../../tensor/kernels/index.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { record } from "../record.ts";

/** `-x`. */
export function neg(x: Tensor): Tensor {
  const y = kernels.neg(x);
  return record("neg", { x }, y, {}, (dy) => ({ x: kernels.neg(dy) }));
}

/** `factor * x`. */
export function scale(x: Tensor, factor: number): Tensor {
  const y = kernels.mulScalar(x, factor);
  return record("scale", { x }, y, {}, (dy) => ({ x: kernels.mulScalar(dy, factor) }));
}

/** `x + number`. */
export function addScalar(x: Tensor, number: number): Tensor {
  const y = kernels.addScalar(x, number);
  return record("addScalar", { x }, y, {}, (dy) => ({ x: dy }));
}

/** `x^exponent`, elementwise. */
export function pow(x: Tensor, exponent: number): Tensor {
  const y = kernels.powScalar(x, exponent);
  return record("pow", { x }, y, { x }, (dy, { x }) => {
    // The general formula makes 0 * infinity, which is no number, at x = 0.
    if (exponent === 0) return { x: kernels.zerosLike(dy) };
    // dx = dy exponent x^(exponent - 1)
    return { x: kernels.mul(dy, kernels.mulScalar(kernels.powScalar(x, exponent - 1), exponent)) };
  });
}

/** `e^x`, elementwise. */
export function exp(x: Tensor): Tensor {
  const y = kernels.exp(x);
  return record("exp", { x }, y, { y }, (dy, { y }) => ({ x: kernels.mul(dy, y) }));
}

/** The natural logarithm, elementwise. */
export function log(x: Tensor): Tensor {
  const y = kernels.log(x);
  return record("log", { x }, y, { x }, (dy, { x }) => ({ x: kernels.div(dy, x) }));
}

/** The square root, elementwise. */
export function sqrt(x: Tensor): Tensor {
  const y = kernels.sqrt(x);
  // dx = dy / 2y
  return record("sqrt", { x }, y, { y }, (dy, { y }) => ({ x: kernels.div(dy, kernels.mulScalar(y, 2)) }));
}

/** `1 / sqrt(x)`, elementwise. */
export function rsqrt(x: Tensor): Tensor {
  const y = kernels.rsqrt(x);
  // dx = -dy/2 y^3
  return record("rsqrt", { x }, y, { y }, (dy, { y }) => ({
    x: kernels.mul(kernels.mulScalar(dy, -0.5), kernels.powScalar(y, 3)),
  }));
}

/** The absolute value, elementwise; its gradient at 0 is 0. */
export function abs(x: Tensor): Tensor {
  const y = kernels.abs(x);
  return record("abs", { x }, y, { x }, (dy, { x }) => ({ x: kernels.mul(dy, kernels.sgn(x)) }));
}

/** The elements in another dtype; x itself when it has that dtype already. The gradient comes back in x's own. */
export function cast(x: Tensor, dtype: DType): Tensor {
  const from = x.dtype;
  if (from === dtype) return x;
  const y = kernels.toDtype(x, dtype);
  return record("cast", { x }, y, {}, (dy) => ({ x: kernels.toDtype(dy, from) }));
}
