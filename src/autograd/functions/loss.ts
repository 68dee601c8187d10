import { operator } from "../../tensor/operator.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { record } from "../graph.ts";

const MSE_LOSS = operator("aten::mse_loss");
const MSE_LOSS_BACKWARD = operator("aten::mse_loss_backward");
const MEAN = 1;

/**
 * Mean of the squared differences.
 * @param input Any shape.
 * @param target Of the same shape.
 * @returns A scalar.
 */
export function mseLoss(input: Tensor, target: Tensor): Tensor {
  const loss = input.runtime.call(MSE_LOSS, input, target, MEAN);
  record(
    "mseLoss",
    [input, target],
    [loss],
    [
      [input, 0, 1],
      [target, 0, 1],
    ],
    (node) => [
      node.wants(0)
        ? node.runtime.call(MSE_LOSS_BACKWARD, node.gradient, node.saved(0), node.saved(1), MEAN)
        : null,
      node.wants(1)
        ? node.runtime.call(MSE_LOSS_BACKWARD, node.gradient, node.saved(1), node.saved(0), MEAN)
        : null,
    ],
  );
  return loss;
}
