import * as kernels from "../../tensor/kernels/index.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { record } from "../record.ts";

/**
 * Gaussian error linear unit, elementwise; `tanh` is the approximation that GPT-2 uses. Hendrycks and Gimpel,
 * 2016.
 */
export function gelu(x: Tensor, approximate: "none" | "tanh" = "none"): Tensor {
  const y = kernels.gelu(x, approximate);
  return record("gelu", { x }, y, { x }, (dy, { x }) => ({ x: kernels.geluBackward(dy, x, approximate) }));
}

/** `x * sigmoid(x)`, elementwise, also called swish. Elfwing, Uchibe and Doya, 2017. */
export function silu(x: Tensor): Tensor {
  const y = kernels.silu(x);
  return record("silu", { x }, y, { x }, (dy, { x }) => ({ x: kernels.siluBackward(dy, x) }));
}

/** `max(x, 0)`, elementwise; its gradient at 0 is 0. */
export function relu(x: Tensor): Tensor {
  const y = kernels.relu(x);
  // dx = dy where y > 0
  return record("relu", { x }, y, { y }, (dy, { y }) => ({ x: kernels.thresholdBackward(dy, y, 0) }));
}

/** The hyperbolic tangent, elementwise. */
export function tanh(x: Tensor): Tensor {
  const y = kernels.tanh(x);
  // dx = dy (1 - y^2)
  return record("tanh", { x }, y, { y }, (dy, { y }) => ({ x: kernels.tanhBackward(dy, y) }));
}

/** `1 / (1 + e^-x)`, elementwise. */
export function sigmoid(x: Tensor): Tensor {
  const y = kernels.sigmoid(x);
  // dx = dy y (1 - y)
  return record("sigmoid", { x }, y, { y }, (dy, { y }) => ({ x: kernels.sigmoidBackward(dy, y) }));
}

/** `e^x` divided by its sum over one dimension. */
export function softmax(x: Tensor, dim = -1): Tensor {
  const { dtype } = x;
  const y = kernels.softmax(x, dim);
  // dx = y (dy - sum(dy y))
  return record("softmax", { x }, y, { y }, (dy, { y }) => ({
    x: kernels.softmaxBackward(dy, y, dim, dtype),
  }));
}

/** The logarithm of `softmax`. */
export function logSoftmax(x: Tensor, dim = -1): Tensor {
  const { dtype } = x;
  const y = kernels.logSoftmax(x, dim);
  // dx = dy - e^y sum(dy)
  return record("logSoftmax", { x }, y, { y }, (dy, { y }) => ({
    x: kernels.logSoftmaxBackward(dy, y, dim, dtype),
  }));
}
