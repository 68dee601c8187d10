/**
 * Convolutions as PyTorch's layers: the same options, state dict and initial weights.
 *
 * The operators tell the number of spatial dimensions from their input. A layer cannot: it makes its weight before it
 * sees one. So there is a class for each number of dimensions, and all that differs between them is that number.
 */
import {
  type ConvTransposeOptions,
  conv,
  convTranspose,
  type Sizes,
} from "../../autograd/library/convolution.ts";
import type { Parameter } from "../../autograd/parameter.ts";
import { checkedOptions, OptionError } from "../../errors/option-error.ts";
import type { DType } from "../../tensor/dtype.ts";
import type { Runtime } from "../../tensor/runtime.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { uniformParameter } from "../initial.ts";
import { Module } from "../module.ts";

/** Options of convolutions; sizes are one number for all spatial dimensions, or one for each. */
export interface ConvLayerOptions extends ConvTransposeOptions {
  /** True if not given. */
  readonly bias?: boolean | undefined;
  readonly dtype?: DType | undefined;
}

/** What all convolutions share: weights and biases that are initially uniform, as PyTorch's. */
abstract class Convolution extends Module {
  readonly weight: Parameter;
  /** [outChannels] */
  readonly bias: Parameter | null;
  readonly options: ConvTransposeOptions;

  /** The number of spatial dimensions. */
  protected abstract numDims(): number;

  protected isTransposed(): boolean {
    return false;
  }

  /** @throws OptionError for an unknown option, a wrong kernel, or groups that do not divide the channels */
  constructor(
    runtime: Runtime,
    inChannels: number,
    outChannels: number,
    kernelSize: Sizes,
    options: ConvLayerOptions = {},
  ) {
    super(runtime);
    const numDims = this.numDims();
    const isTransposed = this.isTransposed();
    const name = `Conv${isTransposed ? "Transpose" : ""}${numDims}d`;
    const transposedOnly = isTransposed ? (["outputPadding"] as const) : [];
    const names = ["stride", "padding", "dilation", "groups", "bias", "dtype", ...transposedOnly] as const;
    const { bias = true, dtype = "float32", ...rest } = checkedOptions(name, options, names);
    const kernel = typeof kernelSize === "number" ? new Array<number>(numDims).fill(kernelSize) : kernelSize;
    if (kernel.length !== numDims)
      throw new OptionError(
        `${name}: kernelSize must be one number, or ${numDims}; got [${kernel.join(", ")}]`,
      );
    const { groups = 1 } = rest;
    if (inChannels % groups !== 0 || outChannels % groups !== 0)
      throw new OptionError(
        `${name}: groups must divide both numbers of channels; got ${groups}, with ${inChannels} and ${outChannels} channels`,
      );
    const channels = isTransposed ? [inChannels, outChannels / groups] : [outChannels, inChannels / groups];
    const shape = [...channels, ...kernel];
    // PyTorch counts the inputs of an output in this way for transposed convolutions as well.
    const bound = 1 / Math.sqrt(shape.slice(1).reduce((product, size) => product * size, 1));
    this.weight = uniformParameter(runtime, shape, bound, dtype);
    this.bias = bias ? uniformParameter(runtime, [outChannels], bound, dtype) : null;
    this.options = rest;
  }

  forward(x: Tensor): Tensor {
    const compute = this.isTransposed() ? convTranspose : conv;
    return compute(x, this.weight, this.bias, this.options);
  }
}

abstract class TransposedConvolution extends Convolution {
  protected override isTransposed(): boolean {
    return true;
  }
}

/** Convolution of [N, inChannels, L]; weight [outChannels, inChannels / groups, kernel]. */
export class Conv1d extends Convolution {
  protected numDims(): number {
    return 1;
  }
}

/** Convolution of [N, inChannels, H, W]; weight [outChannels, inChannels / groups, ...kernel]. */
export class Conv2d extends Convolution {
  protected numDims(): number {
    return 2;
  }
}

/** Convolution of [N, inChannels, D, H, W]; weight [outChannels, inChannels / groups, ...kernel]. */
export class Conv3d extends Convolution {
  protected numDims(): number {
    return 3;
  }
}

/** Transposed convolution of [N, inChannels, L]; weight [inChannels, outChannels / groups, kernel]. */
export class ConvTranspose1d extends TransposedConvolution {
  protected numDims(): number {
    return 1;
  }
}

/** Transposed convolution of [N, inChannels, H, W]; weight [inChannels, outChannels / groups, ...kernel]. */
export class ConvTranspose2d extends TransposedConvolution {
  protected numDims(): number {
    return 2;
  }
}

/** Transposed convolution of [N, inChannels, D, H, W]; weight [inChannels, outChannels / groups, ...kernel]. */
export class ConvTranspose3d extends TransposedConvolution {
  protected numDims(): number {
    return 3;
  }
}
