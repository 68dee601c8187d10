/** Functions of several tensors that broadcast. */
import { operator } from "../../tensor/native-operator.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { differentiable } from "./differentiable.ts";

const ATAN2 = operator("aten::atan2");
const HYPOT = operator("aten::hypot");
const LOGADDEXP = operator("aten::logaddexp");
const XLOGY = operator("aten::xlogy", "Tensor");
const REMAINDER = operator("aten::remainder", "Tensor");
const FMOD = operator("aten::fmod", "Tensor");
const LERP = operator("aten::lerp", "Tensor");
const LERP_SCALAR = operator("aten::lerp", "Scalar");
const ADDCMUL = operator("aten::addcmul");
const ADDCDIV = operator("aten::addcdiv");

/** The angle from the axis of x to the point (x, y), from -pi to pi. */
export function atan2(y: Tensor, x: Tensor): Tensor {
  return differentiable(ATAN2, y, x);
}

/** `sqrt(a^2 + b^2)`. */
export function hypot(a: Tensor, b: Tensor): Tensor {
  return differentiable(HYPOT, a, b);
}

/** `log(e^a + e^b)`, without overflow. */
export function logaddexp(a: Tensor, b: Tensor): Tensor {
  return differentiable(LOGADDEXP, a, b);
}

/** `a log(b)`; 0 where a is 0 and b is not NaN. */
export function xlogy(a: Tensor, b: Tensor): Tensor {
  return differentiable(XLOGY, a, b);
}

/** What remains of a when whole multiples of b are taken away, with the sign of b. */
export function remainder(a: Tensor, b: Tensor): Tensor {
  return differentiable(REMAINDER, a, b);
}

/** What remains of a when whole multiples of b are taken away, with the sign of a. */
export function fmod(a: Tensor, b: Tensor): Tensor {
  return differentiable(FMOD, a, b);
}

/** `start + weight (end - start)`. */
export function lerp(start: Tensor, end: Tensor, weight: Tensor | number): Tensor {
  return differentiable(typeof weight === "number" ? LERP_SCALAR : LERP, start, end, weight);
}

/** `x + value a b`. */
export function addcmul(x: Tensor, a: Tensor, b: Tensor, value = 1): Tensor {
  return differentiable(ADDCMUL, x, a, b, value);
}

/** `x + value a / b`. */
export function addcdiv(x: Tensor, a: Tensor, b: Tensor, value = 1): Tensor {
  return differentiable(ADDCDIV, x, a, b, value);
}
