import { type DType, dtypeCode } from "../../tensor/dtype.ts";
import { operator } from "../../tensor/native-operator.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { record } from "../graph.ts";

const TO_DTYPE = operator("aten::to", "dtype");

/** The elements in another dtype; x itself when it has that dtype already. The gradient comes back in x's own. */
export function cast(x: Tensor, dtype: DType): Tensor {
  const from = x.dtype;
  if (from === dtype) return x;
  const y = x.runtime.call(TO_DTYPE, x, dtypeCode(dtype));
  record("cast", [x], [y], [], (node) => [node.runtime.call(TO_DTYPE, node.gradient, dtypeCode(from))]);
  return y;
}
