import { batchNorm } from "../../autograd/library/normalization.ts";
import type { Parameter } from "../../autograd/parameter.ts";
import { isRecomputing } from "../../autograd/recomputation.ts";
import { checkedOptions, OptionError } from "../../errors/option-error.ts";
import type { DType } from "../../tensor/dtype.ts";
import * as kernels from "../../tensor/kernels/index.ts";
import type { Runtime } from "../../tensor/runtime.ts";
import { shapeMismatch } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { constantParameter } from "../initial.ts";
import { Module } from "../module.ts";
import { ModuleBuffer } from "../module-buffer.ts";

export interface BatchNormOptions {
  readonly eps?: number | undefined;
  /** How much of a batch's mean and variance the running ones take; null for the mean over all batches. */
  readonly momentum?: number | null | undefined;
  /** False for neither weight nor bias. */
  readonly affine?: boolean | undefined;
  /** False for no running mean and variance: evaluation then uses those of the batch, too. */
  readonly trackRunningStats?: boolean | undefined;
  readonly dtype?: DType | undefined;
}

const OPTION_NAMES = ["eps", "momentum", "affine", "trackRunningStats", "dtype"] as const;

/**
 * What the layers of 1 to 3 dimensions share: `(x - mean) / sqrt(variance + eps) * weight + bias`, with mean and
 * variance of each channel over the samples and positions of the micro-batch. Ioffe and Szegedy, 2015.
 *
 * In train mode, each forward also takes its mean and unbiased variance into the running ones, with which evaluation
 * normalizes, also under `noGrad`; a checkpoint's second run takes none. After each step of a pipeline, all ranks that
 * hold the layer have the mean of their running values.
 */
abstract class BatchNorm extends Module {
  readonly eps: number;
  readonly momentum: number | null;
  /** [numChannels]; initially 1. */
  readonly weight: Parameter | null;
  /** [numChannels]; initially 0. */
  readonly bias: Parameter | null;
  /** [numChannels]; initially 0. */
  readonly running_mean: ModuleBuffer | null;
  /** [numChannels]; initially 1. */
  readonly running_var: ModuleBuffer | null;
  /** How many forwards were taken, int64 []. */
  readonly num_batches_tracked: ModuleBuffer | null;
  readonly #numDims: readonly number[];

  /** @param numDims The numbers of dimensions that an input may have. */
  protected constructor(
    runtime: Runtime,
    numChannels: number,
    numDims: readonly number[],
    name: string,
    options: BatchNormOptions,
  ) {
    super(runtime);
    const {
      eps = 1e-5,
      momentum = 0.1,
      affine = true,
      trackRunningStats = true,
      dtype = "float32",
    } = checkedOptions(name, options, OPTION_NAMES);
    if (momentum !== null && !(momentum >= 0 && momentum <= 1))
      throw new OptionError(`${name}: momentum must be from 0 to 1, or null; got ${momentum}`);
    this.eps = eps;
    this.momentum = momentum;
    this.#numDims = numDims;
    this.weight = affine ? constantParameter(runtime, [numChannels], 1, dtype) : null;
    this.bias = affine ? constantParameter(runtime, [numChannels], 0, dtype) : null;
    const buffer = (tensor: Tensor) => (trackRunningStats ? new ModuleBuffer(tensor) : null);
    [this.running_mean, this.running_var, this.num_batches_tracked] = runtime.scope(() => [
      buffer(runtime.zeros([numChannels], dtype)),
      buffer(runtime.ones([numChannels], dtype)),
      buffer(runtime.zeros([], "int64")),
    ]) as [ModuleBuffer | null, ModuleBuffer | null, ModuleBuffer | null];
  }

  forward(x: Tensor): Tensor {
    const { eps, weight, bias, running_mean: mean, running_var: variance } = this;
    const numChannels = (weight ?? mean)?.shape[0];
    if (!this.#numDims.includes(x.shape.length) || (numChannels !== undefined && x.shape[1] !== numChannels))
      throw shapeMismatch(
        this.constructor.name,
        `x must have ${this.#numDims.join(" or ")} dimensions, the second of ${numChannels ?? "any size"}`,
        { x },
      );
    const usesBatch = this.training || mean === null;
    if (usesBatch && x.numElements === x.shape[1])
      throw shapeMismatch(this.constructor.name, "a batch must have more than 1 value for each channel", {
        x,
      });
    if (mean === null || variance === null) return batchNorm(x, weight, bias, null, true, { eps });
    if (!this.training) return batchNorm(x, weight, bias, { mean, variance }, false, { eps });
    if (isRecomputing(this.runtime)) return batchNorm(x, weight, bias, null, true, { eps });
    return batchNorm(x, weight, bias, { mean, variance }, true, { eps, momentum: this.#countedMomentum() });
  }

  #countedMomentum(): number {
    const count = this.num_batches_tracked!;
    kernels.addScalar_(count, 1);
    return this.momentum ?? 1 / count.item();
  }
}

/** Batch normalization of [N, C] or [N, C, L]. */
export class BatchNorm1d extends BatchNorm {
  constructor(runtime: Runtime, numChannels: number, options: BatchNormOptions = {}) {
    super(runtime, numChannels, [2, 3], "BatchNorm1d", options);
  }
}

/** Batch normalization of [N, C, H, W]. */
export class BatchNorm2d extends BatchNorm {
  constructor(runtime: Runtime, numChannels: number, options: BatchNormOptions = {}) {
    super(runtime, numChannels, [4], "BatchNorm2d", options);
  }
}

/** Batch normalization of [N, C, D, H, W]. */
export class BatchNorm3d extends BatchNorm {
  constructor(runtime: Runtime, numChannels: number, options: BatchNormOptions = {}) {
    super(runtime, numChannels, [5], "BatchNorm3d", options);
  }
}
