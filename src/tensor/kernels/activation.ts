import { type DType, dtypeCode } from "../dtype.ts";
import { operator } from "../native-operator.ts";
import type { Tensor } from "../tensor.ts";

const GELU = operator("aten::gelu");
const GELU_BACKWARD = operator("aten::gelu_backward");
const SILU = operator("aten::silu");
const SILU_BACKWARD = operator("aten::silu_backward");
const RELU = operator("aten::relu");
const THRESHOLD_BACKWARD = operator("aten::threshold_backward");
const TANH = operator("aten::tanh");
const TANH_BACKWARD = operator("aten::tanh_backward");
const SIGMOID = operator("aten::sigmoid");
const SIGMOID_BACKWARD = operator("aten::sigmoid_backward");
const SOFTMAX = operator("aten::_softmax");
const SOFTMAX_IN_DTYPE = operator("aten::softmax", "int");
const SOFTMAX_BACKWARD = operator("aten::_softmax_backward_data");
const LOG_SOFTMAX = operator("aten::_log_softmax");
const LOG_SOFTMAX_BACKWARD = operator("aten::_log_softmax_backward_data");

export function gelu(x: Tensor, approximate: "none" | "tanh"): Tensor {
  return x.runtime.kernel(GELU, x, approximate);
}

export function geluBackward(dy: Tensor, x: Tensor, approximate: "none" | "tanh"): Tensor {
  return dy.runtime.kernel(GELU_BACKWARD, dy, x, approximate);
}

export function silu(x: Tensor): Tensor {
  return x.runtime.kernel(SILU, x);
}

export function siluBackward(dy: Tensor, x: Tensor): Tensor {
  return dy.runtime.kernel(SILU_BACKWARD, dy, x);
}

export function relu(x: Tensor): Tensor {
  return x.runtime.kernel(RELU, x);
}

/** dy where x is above the threshold, 0 elsewhere. */
export function thresholdBackward(dy: Tensor, x: Tensor, threshold: number): Tensor {
  return dy.runtime.kernel(THRESHOLD_BACKWARD, dy, x, threshold);
}

export function tanh(x: Tensor): Tensor {
  return x.runtime.kernel(TANH, x);
}

export function tanhBackward(dy: Tensor, y: Tensor): Tensor {
  return dy.runtime.kernel(TANH_BACKWARD, dy, y);
}

export function sigmoid(x: Tensor): Tensor {
  return x.runtime.kernel(SIGMOID, x);
}

export function sigmoidBackward(dy: Tensor, y: Tensor): Tensor {
  return dy.runtime.kernel(SIGMOID_BACKWARD, dy, y);
}

export function softmax(x: Tensor, dim: number): Tensor {
  return x.runtime.kernel(SOFTMAX, x, dim, false);
}

/** Converts x first. */
export function softmaxInDtype(x: Tensor, dim: number, dtype: DType): Tensor {
  return x.runtime.kernel(SOFTMAX_IN_DTYPE, x, dim, dtypeCode(dtype));
}

export function softmaxBackward(dy: Tensor, y: Tensor, dim: number, dtype: DType): Tensor {
  return dy.runtime.kernel(SOFTMAX_BACKWARD, dy, y, dim, dtypeCode(dtype));
}

export function logSoftmax(x: Tensor, dim: number): Tensor {
  return x.runtime.kernel(LOG_SOFTMAX, x, dim, false);
}

export function logSoftmaxBackward(dy: Tensor, y: Tensor, dim: number, dtype: DType): Tensor {
  return dy.runtime.kernel(LOG_SOFTMAX_BACKWARD, dy, y, dim, dtypeCode(dtype));
}
