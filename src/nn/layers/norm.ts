import { groupNorm } from "../../autograd/library/normalization.ts";
import { layerNorm, rmsNorm } from "../../autograd/operators/normalization.ts";
import type { Parameter } from "../../autograd/parameter.ts";
import { checkedOptions, OptionError } from "../../errors/option-error.ts";
import type { DType } from "../../tensor/dtype.ts";
import type { Runtime } from "../../tensor/runtime.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { constantParameter } from "../initial.ts";
import { Module } from "../module.ts";

/**
 * `(x - mean) / sqrt(variance + eps) * weight + bias`, with the mean and the variance over the last dimension:
 * [..., hiddenSize] to the same shape. Ba et al., 2016.
 */
export class LayerNorm extends Module {
  readonly eps: number;
  /** [hiddenSize]; initially 1. */
  readonly weight: Parameter;
  /** [hiddenSize]; initially 0. */
  readonly bias: Parameter | null;

  constructor(
    runtime: Runtime,
    hiddenSize: number,
    options: {
      readonly eps?: number | undefined;
      readonly bias?: boolean | undefined;
      readonly dtype?: DType | undefined;
    } = {},
  ) {
    super(runtime);
    const {
      eps = 1e-5,
      bias = true,
      dtype = "float32",
    } = checkedOptions("LayerNorm", options, ["eps", "bias", "dtype"]);
    this.eps = eps;
    this.weight = constantParameter(runtime, [hiddenSize], 1, dtype);
    this.bias = bias ? constantParameter(runtime, [hiddenSize], 0, dtype) : null;
  }

  forward(x: Tensor): Tensor {
    return layerNorm(x, this.weight.shape, this.weight, this.bias, this.eps);
  }
}

/**
 * `x / sqrt(mean(x^2) + eps) * weight`, with the mean over the last dimension: [..., hiddenSize] to the same shape.
 * Zhang and Sennrich, 2019.
 */
export class RMSNorm extends Module {
  readonly eps: number;
  /** [hiddenSize]; initially 1. */
  readonly weight: Parameter;

  constructor(
    runtime: Runtime,
    hiddenSize: number,
    options: { readonly eps?: number | undefined; readonly dtype?: DType | undefined } = {},
  ) {
    super(runtime);
    const { eps = 1e-6, dtype = "float32" } = checkedOptions("RMSNorm", options, ["eps", "dtype"]);
    this.eps = eps;
    this.weight = constantParameter(runtime, [hiddenSize], 1, dtype);
  }

  forward(x: Tensor): Tensor {
    return rmsNorm(x, this.weight.shape, this.weight, this.eps);
  }
}

/**
 * `(x - mean) / sqrt(variance + eps) * weight + bias`, with the mean and the variance of each sample over a group of
 * channels: [N, numChannels, ...] to the same shape. Wu and He, 2018.
 */
export class GroupNorm extends Module {
  readonly numGroups: number;
  readonly eps: number;
  /** [numChannels]; initially 1. */
  readonly weight: Parameter | null;
  /** [numChannels]; initially 0. */
  readonly bias: Parameter | null;

  /** @param options `affine`: false for neither weight nor bias. */
  constructor(
    runtime: Runtime,
    numGroups: number,
    numChannels: number,
    options: {
      readonly eps?: number | undefined;
      readonly affine?: boolean | undefined;
      readonly dtype?: DType | undefined;
    } = {},
  ) {
    super(runtime);
    if (numChannels % numGroups !== 0)
      throw new OptionError(
        `GroupNorm: numGroups must divide numChannels; got ${numGroups} and ${numChannels}`,
      );
    const {
      eps = 1e-5,
      affine = true,
      dtype = "float32",
    } = checkedOptions("GroupNorm", options, ["eps", "affine", "dtype"]);
    this.numGroups = numGroups;
    this.eps = eps;
    this.weight = affine ? constantParameter(runtime, [numChannels], 1, dtype) : null;
    this.bias = affine ? constantParameter(runtime, [numChannels], 0, dtype) : null;
  }

  forward(x: Tensor): Tensor {
    return groupNorm(x, this.numGroups, this.weight, this.bias, this.eps);
  }
}
