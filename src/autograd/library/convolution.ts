/**
 * Convolutions, pooling and what goes with them. Sizes and options are numbers, for all spatial dimensions, or lists of
 * one number for each, as in PyTorch. Inputs are [N, C, ...spatial].
 */
import { checkedOptions } from "../../errors/option-error.ts";
import { ArgumentError } from "../../tensor/errors.ts";
import { operator } from "../../tensor/native-operator.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { differentiable } from "./differentiable.ts";

const CONVOLUTION = operator("aten::convolution");
const MAX_POOL = [1, 2, 3].map((n) => operator(`aten::max_pool${n}d`));
const AVG_POOL = [1, 2, 3].map((n) => operator(`aten::avg_pool${n}d`));
const ADAPTIVE_AVG_POOL = [1, 2, 3].map((n) => operator(`aten::adaptive_avg_pool${n}d`));
const CONSTANT_PAD = operator("aten::constant_pad_nd");
const NEAREST = [1, 2, 3].map((n) => operator(`aten::upsample_nearest${n}d`));
const BILINEAR = operator("aten::upsample_bilinear2d");
const PIXEL_SHUFFLE = operator("aten::pixel_shuffle");
const PIXEL_UNSHUFFLE = operator("aten::pixel_unshuffle");
const IM2COL = operator("aten::im2col");
const GRID_SAMPLER = operator("aten::grid_sampler");
const EINSUM = operator("aten::einsum");

const CONV_OPTIONS = ["stride", "padding", "dilation", "groups"] as const;

/** One number for all spatial dimensions, or one for each. */
export type Sizes = number | readonly number[];

export interface ConvOptions {
  /** 1 if not given. */
  readonly stride?: Sizes | undefined;
  /** Zeros at both ends; 0 if not given. */
  readonly padding?: Sizes | undefined;
  /** 1 if not given. */
  readonly dilation?: Sizes | undefined;
  /** 1 if not given: every output channel sees every input channel. */
  readonly groups?: number | undefined;
}

export interface ConvTransposeOptions extends ConvOptions {
  /** Added to one end of the output, to choose among the sizes that the stride makes possible; 0 if not given. */
  readonly outputPadding?: Sizes | undefined;
}

/**
 * Convolution in 1, 2 or 3 dimensions, by the number of dimensions of x.
 * @param x [N, inChannels, ...spatial]
 * @param weight [outChannels, inChannels / groups, ...kernel]
 * @param bias [outChannels], or null
 */
export function conv(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null = null,
  options: ConvOptions = {},
): Tensor {
  return convolve("conv", x, weight, bias, options, false);
}

/**
 * The transposed convolution: the gradient of `conv` with respect to its input, as a forward.
 * @param x [N, inChannels, ...spatial]
 * @param weight [inChannels, outChannels / groups, ...kernel]
 * @param bias [outChannels], or null
 */
export function convTranspose(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null = null,
  options: ConvTransposeOptions = {},
): Tensor {
  return convolve("convTranspose", x, weight, bias, options, true);
}

function convolve(
  name: string,
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null,
  options: ConvTransposeOptions,
  isTransposed: boolean,
): Tensor {
  const numDims = numSpatial(name, x);
  const names = [...CONV_OPTIONS, ...(isTransposed ? (["outputPadding"] as const) : [])];
  const checked = checkedOptions(name, options, names);
  const { stride = 1, padding = 0, dilation = 1, groups = 1, outputPadding = 0 } = checked;
  const sizes = (value: Sizes) => sizesOf(name, value, numDims);
  return differentiable(
    CONVOLUTION,
    x,
    weight,
    bias,
    sizes(stride),
    sizes(padding),
    sizes(dilation),
    isTransposed,
    sizes(outputPadding),
    groups,
  );
}

export interface PoolOptions {
  /** The size of the window if not given. */
  readonly stride?: Sizes | undefined;
  /** 0 if not given. */
  readonly padding?: Sizes | undefined;
}

/** The largest element of each window: [N, C, ...spatial] to [N, C, ...smaller]. */
export function maxPool(x: Tensor, kernelSize: Sizes, options: PoolOptions = {}): Tensor {
  const [numDims, sizes] = pooling("maxPool", x, kernelSize, options);
  return differentiable(MAX_POOL[numDims - 1]!, x, ...sizes);
}

/** The mean of each window: [N, C, ...spatial] to [N, C, ...smaller]. */
export function avgPool(x: Tensor, kernelSize: Sizes, options: PoolOptions = {}): Tensor {
  const [numDims, sizes] = pooling("avgPool", x, kernelSize, options);
  return differentiable(AVG_POOL[numDims - 1]!, x, ...sizes);
}

function pooling(name: string, x: Tensor, kernelSize: Sizes, options: PoolOptions): [number, number[][]] {
  const numDims = numSpatial(name, x);
  const { stride = kernelSize, padding = 0 } = checkedOptions(name, options, ["stride", "padding"]);
  return [numDims, [kernelSize, stride, padding].map((value) => sizesOf(name, value, numDims))];
}

/** The mean of as many windows as `outputSize` says: [N, C, ...spatial] to [N, C, ...outputSize]. */
export function adaptiveAvgPool(x: Tensor, outputSize: Sizes): Tensor {
  const numDims = numSpatial("adaptiveAvgPool", x);
  return differentiable(ADAPTIVE_AVG_POOL[numDims - 1]!, x, sizesOf("adaptiveAvgPool", outputSize, numDims));
}

/**
 * `value` added around x.
 * @param padding For the last dimension, before and after, then for the one before it, and so on
 */
export function pad(x: Tensor, padding: readonly number[], value = 0): Tensor {
  return differentiable(CONSTANT_PAD, x, padding, value);
}

/**
 * x at another size: [N, C, ...spatial] to [N, C, ...size].
 * @param mode Of the nearest elements, or for two dimensions a mean of the four around; corners are not aligned.
 */
export function interpolate(x: Tensor, size: Sizes, mode: "nearest" | "bilinear" = "nearest"): Tensor {
  const numDims = numSpatial("interpolate", x);
  const sizes = sizesOf("interpolate", size, numDims);
  if (mode === "nearest") return differentiable(NEAREST[numDims - 1]!, x, sizes);
  if (numDims === 2) return differentiable(BILINEAR, x, sizes, false);
  throw new ArgumentError(`interpolate: bilinear must be given [N, C, H, W]; got [${x.shape.join(", ")}]`);
}

/** [N, C factor^2, H, W] to [N, C, H factor, W factor]: channels become pixels. Shi et al., 2016. */
export function pixelShuffle(x: Tensor, factor: number): Tensor {
  return differentiable(PIXEL_SHUFFLE, x, factor);
}

/** The inverse of `pixelShuffle`: [N, C, H factor, W factor] to [N, C factor^2, H, W]. */
export function pixelUnshuffle(x: Tensor, factor: number): Tensor {
  return differentiable(PIXEL_UNSHUFFLE, x, factor);
}

/** The elements under each position of a convolution: [N, C, H, W] to [N, C kernel elements, positions]. */
export function im2col(x: Tensor, kernelSize: Sizes, options: Omit<ConvOptions, "groups"> = {}): Tensor {
  const names = ["stride", "padding", "dilation"] as const;
  const { stride = 1, padding = 0, dilation = 1 } = checkedOptions("im2col", options, names);
  const sizes = (value: Sizes) => sizesOf("im2col", value, 2);
  return differentiable(IM2COL, x, sizes(kernelSize), sizes(dilation), sizes(padding), sizes(stride));
}

/**
 * x at points between its elements, by a mean of those around: [N, C, H, W] and a grid [N, h, w, 2] to [N, C, h, w].
 * Jaderberg et al., 2015.
 * @param grid The positions (x, y), from -1 to 1 over the outer edges of the image; 0 is read outside.
 */
export function gridSample(x: Tensor, grid: Tensor): Tensor {
  return differentiable(GRID_SAMPLER, x, grid, 0, 0, false);
}

/** The sum of products that Einstein's notation says, such as `"bij,bjk->bik"`. */
export function einsum(equation: string, ...tensors: readonly Tensor[]): Tensor {
  return differentiable(EINSUM, equation, tensors);
}

function numSpatial(name: string, x: Tensor): number {
  const numDims = x.shape.length - 2;
  if (numDims >= 1 && numDims <= 3) return numDims;
  throw new ArgumentError(
    `${name}: x must be [N, C, ...spatial] with one to three spatial dimensions; got [${x.shape.join(", ")}]`,
  );
}

function sizesOf(name: string, value: Sizes, numDims: number): number[] {
  const sizes = typeof value === "number" ? new Array<number>(numDims).fill(value) : [...value];
  if (sizes.length === numDims) return sizes;
  throw new ArgumentError(
    `${name}: sizes must be one number, or one for each of ${numDims} spatial dimensions; got [${sizes.join(", ")}]`,
  );
}
