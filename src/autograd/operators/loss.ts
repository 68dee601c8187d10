import { checkedOptions } from "../../errors/option-error.ts";
import { checkTensor } from "../../tensor/argument.ts";
import * as kernels from "../../tensor/kernels/index.ts";
import { sameShape, shapeMismatch } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { record } from "../record.ts";

/** How the losses of the elements become one number. */
export type Reduction = kernels.Reduction;

/**
 * Mean, or sum, of the squared differences.
 * @param input Any shape.
 * @param target Of the same shape and dtype.
 * @returns A scalar.
 */
export function mseLoss(input: Tensor, target: Tensor, reduction: Reduction = "mean"): Tensor {
  checkTensor("mseLoss", "input", input);
  checkTensor("mseLoss", "target", target);
  if (!sameShape(input.shape, target.shape))
    throw shapeMismatch("mseLoss", "input and target must have one shape", { input, target });
  if (input.dtype !== target.dtype)
    throw shapeMismatch("mseLoss", "input and target must have one dtype", { input, target });
  const loss = kernels.mseLoss(input, target, reduction);
  // d input = 2 dy (input - target), over the number of elements for a mean; d target is the opposite.
  return record("mseLoss", { input, target }, loss, { input, target }, (dy, { input, target }) => ({
    input: () => kernels.mseLossBackward(dy, input, target, reduction),
    target: () => kernels.mseLossBackward(dy, target, input, reduction),
  }));
}

export interface CrossEntropyOptions {
  readonly reduction?: Reduction | undefined;
  /** Positions with this target count neither in the loss nor in its mean; -100 if not given. */
  readonly ignoreIndex?: number | undefined;
}

/**
 * The negative logarithm of the softmax at the target, as its mean or sum over all positions.
 * @param logits [..., C]
 * @param targets int64 [...], from 0 to C - 1
 * @returns A scalar; NaN for a mean over no position.
 */
export function crossEntropy(logits: Tensor, targets: Tensor, options: CrossEntropyOptions = {}): Tensor {
  checkTensor("crossEntropy", "logits", logits);
  checkTensor("crossEntropy", "targets", targets);
  const { reduction = "mean", ignoreIndex = -100 } = checkedOptions("crossEntropy", options, [
    "reduction",
    "ignoreIndex",
  ]);
  const { runtime, shape, dtype } = logits;
  if (shape.length === 0 || !sameShape(shape.slice(0, -1), targets.shape) || targets.dtype !== "int64")
    throw shapeMismatch("crossEntropy", "logits must be [..., C] and targets int64 [...]", {
      logits,
      targets,
    });
  return runtime.scope(() => {
    const rows = kernels.reshape(logits, [-1, shape[shape.length - 1]!]);
    const target = kernels.reshape(targets, [-1]);
    const logP = kernels.logSoftmax(rows, 1);
    const [loss, totalWeight] = kernels.nllLoss(logP, target, reduction, ignoreIndex);
    const saves = { logP, target, totalWeight };
    return record("crossEntropy", { logits, targets }, loss, saves, (dy, { logP, target, totalWeight }) => {
      const dLogP = kernels.nllLossBackward(dy, logP, target, reduction, ignoreIndex, totalWeight);
      const dRows = kernels.logSoftmaxBackward(dLogP, logP, 1, dtype);
      return { logits: kernels.reshape(dRows, shape), targets: null };
    });
  });
}
