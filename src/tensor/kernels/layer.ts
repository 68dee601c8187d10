/**
 * Kernels of whole layers: normalization, embeddings, losses and attention.
 *
 * A layer of several kernels would save what each of them needs. LibTorch has these layers in one kernel, with another
 * one for the backward, which takes what the forward returns besides its result (means, sums of logarithms). So the two
 * stand side by side here, and a gradient rule passes on what the forward gave, as it is.
 */
import { operator } from "../native-operator.ts";
import type { Tensor } from "../tensor.ts";

const LAYER_NORM = operator("aten::native_layer_norm");
const LAYER_NORM_BACKWARD = operator("aten::native_layer_norm_backward");
const EMBEDDING = operator("aten::embedding");
const EMBEDDING_BACKWARD = operator("aten::embedding_dense_backward");
const MSE_LOSS = operator("aten::mse_loss");
const MSE_LOSS_BACKWARD = operator("aten::mse_loss_backward");
const NLL_LOSS = operator("aten::nll_loss_forward");
const NLL_LOSS_BACKWARD = operator("aten::nll_loss_backward");

/** How a loss of many elements becomes one number. */
export type Reduction = "mean" | "sum";

/** The numbers of at::Reduction. */
const reductionCodes: Readonly<Record<Reduction, number>> = { mean: 1, sum: 2 };

const NO_PADDING = -1;

/** The normalized x, and the mean and 1 / standard deviation of each row. */
export function layerNorm(
  x: Tensor,
  normalizedShape: readonly number[],
  weight: Tensor | null,
  bias: Tensor | null,
  eps: number,
): [y: Tensor, mean: Tensor, rstd: Tensor] {
  return x.runtime.kernelMany(LAYER_NORM, x, normalizedShape, weight, bias, eps) as [Tensor, Tensor, Tensor];
}

/** The gradients of x, weight and bias, as far as they are wanted. */
export function layerNormBackward(
  dy: Tensor,
  x: Tensor,
  normalizedShape: readonly number[],
  mean: Tensor,
  rstd: Tensor,
  weight: Tensor | null,
  bias: Tensor | null,
  wanted: readonly [x: boolean, weight: boolean, bias: boolean],
): [dx: Tensor | null, dWeight: Tensor | null, dBias: Tensor | null] {
  return dy.runtime.kernelMany(
    LAYER_NORM_BACKWARD,
    dy,
    x,
    normalizedShape,
    mean,
    rstd,
    weight,
    bias,
    wanted,
  ) as [Tensor | null, Tensor | null, Tensor | null];
}

export function embedding(weight: Tensor, indices: Tensor): Tensor {
  return weight.runtime.kernel(EMBEDDING, weight, indices);
}

export function embeddingBackward(dy: Tensor, indices: Tensor, numRows: number): Tensor {
  return dy.runtime.kernel(EMBEDDING_BACKWARD, dy, indices, numRows, NO_PADDING, false);
}

export function mseLoss(input: Tensor, target: Tensor, reduction: Reduction): Tensor {
  return input.runtime.kernel(MSE_LOSS, input, target, reductionCodes[reduction]);
}

export function mseLossBackward(dy: Tensor, input: Tensor, target: Tensor, reduction: Reduction): Tensor {
  return dy.runtime.kernel(MSE_LOSS_BACKWARD, dy, input, target, reductionCodes[reduction]);
}

/** The loss, and how many targets count in it. */
export function nllLoss(
  logProbabilities: Tensor,
  targets: Tensor,
  reduction: Reduction,
  ignoreIndex: number,
): [loss: Tensor, totalWeight: Tensor] {
  const code = reductionCodes[reduction];
  return logProbabilities.runtime.kernelMany(
    NLL_LOSS,
    logProbabilities,
    targets,
    null,
    code,
    ignoreIndex,
  ) as [Tensor, Tensor];
}

export function nllLossBackward(
  dy: Tensor,
  logProbabilities: Tensor,
  targets: Tensor,
  reduction: Reduction,
  ignoreIndex: number,
  totalWeight: Tensor,
): Tensor {
  const code = reductionCodes[reduction];
  return dy.runtime.kernel(
    NLL_LOSS_BACKWARD,
    dy,
    logProbabilities,
    targets,
    null,
    code,
    ignoreIndex,
    totalWeight,
  );
}
