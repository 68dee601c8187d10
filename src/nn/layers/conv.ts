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

const COMMON = ["stride", "padding", "dilation", "groups", "bias", "dtype"] as const;

/** What all convolutions share: weights and biases that are initially uniform, as PyTorch's. */
abstract class Convolution extends Module {
  readonly weight: Parameter;
  /** [outChannels] */
  readonly bias: Parameter | null;
  readonly options: ConvTransposeOptions;

  /** @param weightShape Without the kernel. */
  constructor(
    runtime: Runtime,
    name: string,
    numDims: number,
    weightShape: readonly [number, number],
    outChannels: number,
    kernelSize: Sizes,
    { bias = true, dtype = "float32", ...options }: ConvLayerOptions,
  ) {
    super(runtime);
    const kernel = typeof kernelSize === "number" ? new Array<number>(numDims).fill(kernelSize) : kernelSize;
    if (kernel.length !== numDims)
      throw new OptionError(
        `${name}: kernelSize must be one number, or ${numDims}; got [${kernel.join(", ")}]`,
      );
    if (weightShape.some((size) => !Number.isInteger(size)))
      throw new OptionError(`${name}: groups must divide the channels; got ${options.groups}`);
    const shape = [...weightShape, ...kernel];
    // The number of inputs of each output, as PyTorch counts them.
    const bound = 1 / Math.sqrt(shape.slice(1).reduce((product, size) => product * size, 1));
    this.weight = uniformParameter(runtime, shape, bound, dtype);
    this.bias = bias ? uniformParameter(runtime, [outChannels], bound, dtype) : null;
    this.options = options;
  }
}

abstract class Conv extends Convolution {
  constructor(
    runtime: Runtime,
    numDims: number,
    inChannels: number,
    outChannels: number,
    kernelSize: Sizes,
    options: ConvLayerOptions,
  ) {
    const name = `Conv${numDims}d`;
    const checked = checkedOptions(name, options, COMMON);
    const shape = [outChannels, inChannels / (checked.groups ?? 1)] as const;
    super(runtime, name, numDims, shape, outChannels, kernelSize, checked);
  }

  forward(x: Tensor): Tensor {
    return conv(x, this.weight, this.bias, this.options);
  }
}

abstract class ConvTranspose extends Convolution {
  constructor(
    runtime: Runtime,
    numDims: number,
    inChannels: number,
    outChannels: number,
    kernelSize: Sizes,
    options: ConvLayerOptions,
  ) {
    const name = `ConvTranspose${numDims}d`;
    const checked = checkedOptions(name, options, [...COMMON, "outputPadding"]);
    const shape = [inChannels, outChannels / (checked.groups ?? 1)] as const;
    super(runtime, name, numDims, shape, outChannels, kernelSize, checked);
  }

  forward(x: Tensor): Tensor {
    return convTranspose(x, this.weight, this.bias, this.options);
  }
}

/** Convolution of [N, inChannels, L]; weight [outChannels, inChannels / groups, kernel]. */
export class Conv1d extends Conv {
  constructor(
    runtime: Runtime,
    inChannels: number,
    outChannels: number,
    kernelSize: Sizes,
    options: ConvLayerOptions = {},
  ) {
    super(runtime, 1, inChannels, outChannels, kernelSize, options);
  }
}

/** Convolution of [N, inChannels, H, W]; weight [outChannels, inChannels / groups, ...kernel]. */
export class Conv2d extends Conv {
  constructor(
    runtime: Runtime,
    inChannels: number,
    outChannels: number,
    kernelSize: Sizes,
    options: ConvLayerOptions = {},
  ) {
    super(runtime, 2, inChannels, outChannels, kernelSize, options);
  }
}

/** Convolution of [N, inChannels, D, H, W]; weight [outChannels, inChannels / groups, ...kernel]. */
export class Conv3d extends Conv {
  constructor(
    runtime: Runtime,
    inChannels: number,
    outChannels: number,
    kernelSize: Sizes,
    options: ConvLayerOptions = {},
  ) {
    super(runtime, 3, inChannels, outChannels, kernelSize, options);
  }
}

/** Transposed convolution of [N, inChannels, L]; weight [inChannels, outChannels / groups, kernel]. */
export class ConvTranspose1d extends ConvTranspose {
  constructor(
    runtime: Runtime,
    inChannels: number,
    outChannels: number,
    kernelSize: Sizes,
    options: ConvLayerOptions = {},
  ) {
    super(runtime, 1, inChannels, outChannels, kernelSize, options);
  }
}

/** Transposed convolution of [N, inChannels, H, W]; weight [inChannels, outChannels / groups, ...kernel]. */
export class ConvTranspose2d extends ConvTranspose {
  constructor(
    runtime: Runtime,
    inChannels: number,
    outChannels: number,
    kernelSize: Sizes,
    options: ConvLayerOptions = {},
  ) {
    super(runtime, 2, inChannels, outChannels, kernelSize, options);
  }
}

/** Transposed convolution of [N, inChannels, D, H, W]; weight [inChannels, outChannels / groups, ...kernel]. */
export class ConvTranspose3d extends ConvTranspose {
  constructor(
    runtime: Runtime,
    inChannels: number,
    outChannels: number,
    kernelSize: Sizes,
    options: ConvLayerOptions = {},
  ) {
    super(runtime, 3, inChannels, outChannels, kernelSize, options);
  }
}
