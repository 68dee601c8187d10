/** Normalization over the batch, over groups of channels, and over each channel of a sample. Inputs are [N, C, ...]. */
import { checkedOptions } from "../../errors/option-error.ts";
import { operator } from "../../tensor/native-operator.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { differentiable } from "./differentiable.ts";

const BATCH_NORM = operator("aten::batch_norm");
const GROUP_NORM = operator("aten::group_norm");
const INSTANCE_NORM = operator("aten::instance_norm");

/**
 * `(x - mean) / sqrt(variance + eps) * weight + bias`, with mean and variance of each channel over the samples and
 * positions. Ioffe and Szegedy, 2015.
 * @param running In training, where the means and variances [C] of the batch are averaged into with the factor
 *   `momentum`; otherwise what is used in place of those of the batch.
 */
export function batchNorm(
  x: Tensor,
  weight: Tensor | null,
  bias: Tensor | null,
  running: { readonly mean: Tensor; readonly variance: Tensor } | null,
  isTraining: boolean,
  options: { readonly momentum?: number | undefined; readonly eps?: number | undefined } = {},
): Tensor {
  const { momentum = 0.1, eps = 1e-5 } = checkedOptions("batchNorm", options, ["momentum", "eps"]);
  const mean = running?.mean ?? null;
  return differentiable(
    BATCH_NORM,
    x,
    weight,
    bias,
    mean,
    running?.variance ?? null,
    isTraining,
    momentum,
    eps,
    false,
  );
}

/**
 * The same with mean and variance of each sample over a group of channels. Wu and He, 2018.
 * @param numGroups A divisor of C
 */
export function groupNorm(
  x: Tensor,
  numGroups: number,
  weight: Tensor | null = null,
  bias: Tensor | null = null,
  eps = 1e-5,
): Tensor {
  return differentiable(GROUP_NORM, x, numGroups, weight, bias, eps, false);
}

/** The same with mean and variance of each sample and channel. Ulyanov et al., 2016. */
export function instanceNorm(
  x: Tensor,
  weight: Tensor | null = null,
  bias: Tensor | null = null,
  eps = 1e-5,
): Tensor {
  return differentiable(INSTANCE_NORM, x, weight, bias, null, null, true, 0, eps, false);
}
