import { operator } from "../../tensor/native-operator.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { recordPointwise } from "./record-pointwise.ts";

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

/** Gaussian error linear unit, elementwise; `tanh` is the approximation that GPT-2 uses. Hendrycks and Gimpel, 2016. */
export function gelu(x: Tensor, approximate: "none" | "tanh" = "none"): Tensor {
  return recordPointwise("gelu", x, x.runtime.call(GELU, x, approximate), x, (runtime, gradient, input) =>
    runtime.call(GELU_BACKWARD, gradient, input, approximate),
  );
}

/** `x * sigmoid(x)`, elementwise, also called swish. Elfwing, Uchibe and Doya, 2017. */
export function silu(x: Tensor): Tensor {
  return recordPointwise("silu", x, x.runtime.call(SILU, x), x, (runtime, gradient, input) =>
    runtime.call(SILU_BACKWARD, gradient, input),
  );
}

/** `max(x, 0)`, elementwise; its gradient at 0 is 0. */
export function relu(x: Tensor): Tensor {
  const y = x.runtime.call(RELU, x);
  return recordPointwise("relu", x, y, y, (runtime, gradient, output) =>
    runtime.call(THRESHOLD_BACKWARD, gradient, output, 0),
  );
}

/** The hyperbolic tangent, elementwise. */
export function tanh(x: Tensor): Tensor {
  const y = x.runtime.call(TANH, x);
  return recordPointwise("tanh", x, y, y, (runtime, gradient, output) =>
    runtime.call(TANH_BACKWARD, gradient, output),
  );
}

/** `1 / (1 + e^-x)`, elementwise. */
export function sigmoid(x: Tensor): Tensor {
  const y = x.runtime.call(SIGMOID, x);
  return recordPointwise("sigmoid", x, y, y, (runtime, gradient, output) =>
    runtime.call(SIGMOID_BACKWARD, gradient, output),
  );
}
