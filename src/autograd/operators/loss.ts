import { dtypeCode } from "../../tensor/dtype.ts";
import { operator } from "../../tensor/native-operator.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { historyOf, record } from "../graph.ts";
import { sameShape, shapeMismatch } from "./shape-mismatch.ts";

const MSE_LOSS = operator("aten::mse_loss");
const MSE_LOSS_BACKWARD = operator("aten::mse_loss_backward");
const LOG_SOFTMAX = operator("aten::_log_softmax");
const LOG_SOFTMAX_BACKWARD = operator("aten::_log_softmax_backward_data");
const NLL_LOSS = operator("aten::nll_loss_forward");
const NLL_LOSS_BACKWARD = operator("aten::nll_loss_backward");
const RESHAPE = operator("aten::reshape");

/** How the losses of the elements become one number. */
export type Reduction = "mean" | "sum";

/** The numbers of at::Reduction. */
const reductionCodes: Readonly<Record<Reduction, number>> = { mean: 1, sum: 2 };

/**
 * Mean, or sum, of the squared differences.
 * @param input Any shape.
 * @param target Of the same shape.
 * @returns A scalar.
 */
export function mseLoss(input: Tensor, target: Tensor, reduction: Reduction = "mean"): Tensor {
  if (!sameShape(input.shape, target.shape))
    throw shapeMismatch("mseLoss", "input and target must have one shape", { input, target });
  const code = reductionCodes[reduction];
  const loss = input.runtime.call(MSE_LOSS, input, target, code);
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
        ? node.runtime.call(MSE_LOSS_BACKWARD, node.gradient, node.saved(0), node.saved(1), code)
        : null,
      node.wants(1)
        ? node.runtime.call(MSE_LOSS_BACKWARD, node.gradient, node.saved(1), node.saved(0), code)
        : null,
    ],
  );
  return loss;
}

export interface CrossEntropyOptions {
  readonly reduction?: Reduction;
  /** Positions with this target count neither in the loss nor in its mean; -100 if not given. */
  readonly ignoreIndex?: number;
}

/**
 * The negative logarithm of the softmax at the target, as its mean or sum over all positions.
 * @param logits [..., C]
 * @param targets int64 [...], from 0 to C - 1
 * @returns A scalar; NaN for a mean over no position.
 */
export function crossEntropy(logits: Tensor, targets: Tensor, options: CrossEntropyOptions = {}): Tensor {
  const { reduction = "mean", ignoreIndex = -100 } = options;
  const { runtime, shape } = logits;
  if (shape.length === 0 || !sameShape(shape.slice(0, -1), targets.shape) || targets.dtype !== "int64")
    throw shapeMismatch("crossEntropy", "logits must be [..., C] and targets int64 [...]", {
      logits,
      targets,
    });
  const code = reductionCodes[reduction];
  const dtype = dtypeCode(logits.dtype);
  return runtime.scope(() => {
    const rows = runtime.call(RESHAPE, logits, [-1, shape[shape.length - 1]!]);
    const flat = runtime.call(RESHAPE, targets, [-1]);
    const logProbabilities = runtime.call(LOG_SOFTMAX, rows, 1, false);
    const [loss, totalWeight] = runtime.callMany(
      NLL_LOSS,
      logProbabilities,
      flat,
      null,
      code,
      ignoreIndex,
    ) as [Tensor, Tensor];
    record(
      "crossEntropy",
      [logits],
      [loss],
      [
        [logProbabilities, 0],
        [flat, 0],
        [totalWeight, 0],
      ],
      (node) => {
        const [logP, target, total] = [node.saved(0), node.saved(1), node.saved(2)];
        const gradient = runtime.call(
          NLL_LOSS_BACKWARD,
          node.gradient,
          logP,
          target,
          null,
          code,
          ignoreIndex,
          total,
        );
        const rowsGradient = runtime.call(LOG_SOFTMAX_BACKWARD, gradient, logP, 1, dtype);
        return [runtime.call(RESHAPE, rowsGradient, shape)];
      },
      historyOf(targets)?.isActivation,
    );
    return loss;
  });
}
