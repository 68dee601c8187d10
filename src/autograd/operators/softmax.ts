import { dtypeCode } from "../../tensor/dtype.ts";
import { operator } from "../../tensor/native-operator.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { recordPointwise } from "./record-pointwise.ts";

const SOFTMAX = operator("aten::_softmax");
const SOFTMAX_BACKWARD = operator("aten::_softmax_backward_data");
const LOG_SOFTMAX = operator("aten::_log_softmax");
const LOG_SOFTMAX_BACKWARD = operator("aten::_log_softmax_backward_data");

/** `e^x` divided by its sum over one dimension. */
export function softmax(x: Tensor, dim = -1): Tensor {
  const y = x.runtime.call(SOFTMAX, x, dim, false);
  const dtype = dtypeCode(x.dtype);
  return recordPointwise("softmax", x, y, y, (runtime, gradient, output) =>
    runtime.call(SOFTMAX_BACKWARD, gradient, output, dim, dtype),
  );
}

/** The logarithm of `softmax`. */
export function logSoftmax(x: Tensor, dim = -1): Tensor {
  const y = x.runtime.call(LOG_SOFTMAX, x, dim, false);
  const dtype = dtypeCode(x.dtype);
  return recordPointwise("logSoftmax", x, y, y, (runtime, gradient, output) =>
    runtime.call(LOG_SOFTMAX_BACKWARD, gradient, output, dim, dtype),
  );
}
