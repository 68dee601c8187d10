/** Activations that modern models use less; the others have rules of their own, in ../operators. */
import { operator } from "../../tensor/native-operator.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { differentiable } from "./differentiable.ts";

const SOFTPLUS = operator("aten::softplus");
const LEAKY_RELU = operator("aten::leaky_relu");
const PRELU = operator("aten::prelu");
const ELU = operator("aten::elu");
const CELU = operator("aten::celu");
const SELU = operator("aten::selu");
const HARDSWISH = operator("aten::hardswish");
const HARDSIGMOID = operator("aten::hardsigmoid");
const HARDTANH = operator("aten::hardtanh");
const HARDSHRINK = operator("aten::hardshrink");
const SOFTSHRINK = operator("aten::softshrink");
const MISH = operator("aten::mish");
const RELU6 = operator("aten::relu6");
const LOG_SIGMOID = operator("aten::log_sigmoid");
const GLU = operator("aten::glu");

/** `log(1 + e^(beta x)) / beta`, elementwise; x itself where `beta x` is over `threshold`. */
export function softplus(x: Tensor, beta = 1, threshold = 20): Tensor {
  return differentiable(SOFTPLUS, x, beta, threshold);
}

/** x where it is positive, `negativeSlope * x` elsewhere. */
export function leakyRelu(x: Tensor, negativeSlope = 0.01): Tensor {
  return differentiable(LEAKY_RELU, x, negativeSlope);
}

/**
 * The same with slopes that are learned. He et al., 2015.
 * @param x [N, C, ...]
 * @param slopes [C], or [1] for all channels
 */
export function prelu(x: Tensor, slopes: Tensor): Tensor {
  return differentiable(PRELU, x, slopes);
}

/** x where it is positive, `alpha (e^x - 1)` elsewhere. Clevert et al., 2015. */
export function elu(x: Tensor, alpha = 1): Tensor {
  return differentiable(ELU, x, alpha);
}

/** x where it is positive, `alpha (e^(x / alpha) - 1)` elsewhere. Barron, 2017. */
export function celu(x: Tensor, alpha = 1): Tensor {
  return differentiable(CELU, x, alpha);
}

/** `elu` with an alpha and a factor that keep mean and variance. Klambauer et al., 2017. */
export function selu(x: Tensor): Tensor {
  return differentiable(SELU, x);
}

/** `x min(max(x + 3, 0), 6) / 6`, elementwise. Howard et al., 2019. */
export function hardswish(x: Tensor): Tensor {
  return differentiable(HARDSWISH, x);
}

/** `min(max(x + 3, 0), 6) / 6`, elementwise. */
export function hardsigmoid(x: Tensor): Tensor {
  return differentiable(HARDSIGMOID, x);
}

/** `min(max(x, low), high)`, elementwise; its gradient is 0 outside. */
export function hardtanh(x: Tensor, low = -1, high = 1): Tensor {
  return differentiable(HARDTANH, x, low, high);
}

/** x where its absolute value is over lambda, 0 elsewhere. */
export function hardshrink(x: Tensor, lambda = 0.5): Tensor {
  return differentiable(HARDSHRINK, x, lambda);
}

/** x moved by lambda towards 0, and 0 where that would change its sign. */
export function softshrink(x: Tensor, lambda = 0.5): Tensor {
  return differentiable(SOFTSHRINK, x, lambda);
}

/** `x tanh(softplus(x))`, elementwise. Misra, 2019. */
export function mish(x: Tensor): Tensor {
  return differentiable(MISH, x);
}

/** `min(max(x, 0), 6)`, elementwise. */
export function relu6(x: Tensor): Tensor {
  return differentiable(RELU6, x);
}

/** `log(sigmoid(x))`, elementwise, without a loss of digits. */
export function logSigmoid(x: Tensor): Tensor {
  return differentiable(LOG_SIGMOID, x);
}

/** The first half of a dimension times the sigmoid of the second half. Dauphin et al., 2016. */
export function glu(x: Tensor, dim = -1): Tensor {
  return differentiable(GLU, x, dim);
}
