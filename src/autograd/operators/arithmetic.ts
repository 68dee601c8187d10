import * as kernels from "../../tensor/kernels/index.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { record } from "../record.ts";
import { formOf, recordBroadcast, reduceTo } from "./broadcast.ts";

/** `a + b`, elementwise; a and b are broadcast against each other. */
export function add(a: Tensor, b: Tensor): Tensor {
  const y = kernels.add(a, b);
  return recordBroadcast("add", { a, b }, y, {}, (dy) => ({ a: () => dy, b: () => dy }));
}

/** `a - b`, elementwise; a and b are broadcast against each other. */
export function sub(a: Tensor, b: Tensor): Tensor {
  const y = kernels.sub(a, b);
  return recordBroadcast("sub", { a, b }, y, {}, (dy) => ({ a: () => dy, b: () => kernels.neg(dy) }));
}

/** `a * b`, elementwise; a and b are broadcast against each other. */
export function mul(a: Tensor, b: Tensor): Tensor {
  const y = kernels.mul(a, b);
  return recordBroadcast("mul", { a, b }, y, { a: [a, "b"], b: [b, "a"] }, (dy, { a, b }) => ({
    a: () => kernels.mul(dy, b),
    b: () => kernels.mul(dy, a),
  }));
}

/** `a / b`, elementwise; a and b are broadcast against each other. */
export function div(a: Tensor, b: Tensor): Tensor {
  const y = kernels.div(a, b);
  return recordBroadcast("div", { a, b }, y, { b, y: [y, "b"] }, (dy, { b, y }) => ({
    a: () => kernels.div(dy, b),
    // db = -dy a / b^2 = -dy y / b
    b: () => kernels.mul(kernels.neg(dy), kernels.div(y, b)),
  }));
}

/** The larger of a and b, elementwise and broadcast; where they are equal each gets half of the gradient. */
export function maximum(a: Tensor, b: Tensor): Tensor {
  const y = kernels.maximum(a, b);
  return recordBroadcast("maximum", { a, b }, y, { a, b }, (dy, { a, b }) => ({
    a: () => maximumGradient(dy, a, b),
    b: () => maximumGradient(dy, b, a),
  }));
}

/** dy where x > other, dy / 2 where they are equal, 0 elsewhere. */
function maximumGradient(dy: Tensor, x: Tensor, other: Tensor): Tensor {
  const shared = kernels.where(kernels.eq(x, other), kernels.divScalar(dy, 2), dy);
  return kernels.maskedFill(shared, kernels.lt(x, other), 0);
}

/**
 * a where the condition holds, b elsewhere; all three are broadcast against each other.
 * @param condition bool
 */
export function where(condition: Tensor, a: Tensor, b: Tensor): Tensor {
  const y = kernels.where(condition, a, b);
  const [formA, formB] = [formOf(a), formOf(b)];
  return record("where", { condition, a, b }, y, { condition }, (dy, { condition }) => ({
    condition: null,
    a: () => reduceTo(formA, kernels.whereElseScalar(condition, dy, 0)),
    b: () => reduceTo(formB, kernels.whereScalarElse(condition, 0, dy)),
  }));
}
