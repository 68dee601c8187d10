import { operator } from "../../tensor/operator.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { record } from "../graph.ts";

const GELU = operator("aten::gelu");
const GELU_BACKWARD = operator("aten::gelu_backward");

/** Gaussian error linear unit, elementwise; `tanh` is the approximation that GPT-2 uses. Hendrycks and Gimpel, 2016. */
export function gelu(x: Tensor, approximate: "none" | "tanh" = "none"): Tensor {
  const y = x.runtime.call(GELU, x, approximate);
  record("gelu", [x], [y], [[x, 0]], (node) => [
    node.runtime.call(GELU_BACKWARD, node.gradient, node.saved(0), approximate),
  ]);
  return y;
}
