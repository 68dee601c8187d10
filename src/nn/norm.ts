import { layerNorm, rmsNorm } from "../autograd/operators/normalization.ts";
import type { Parameter } from "../autograd/parameter.ts";
import type { DType } from "../tensor/dtype.ts";
import type { Runtime } from "../tensor/runtime.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { constantParameter } from "./initial.ts";
import { Module } from "./module.ts";

/** Normalises the last dimension to mean 0 and variance 1, then scales and shifts it. Ba et al., 2016. */
export class LayerNorm extends Module {
  readonly eps: number;
  readonly weight: Parameter;
  readonly bias: Parameter | null;

  constructor(
    runtime: Runtime,
    numFeatures: number,
    {
      eps = 1e-5,
      bias = true,
      dtype = "float32",
    }: { readonly eps?: number; readonly bias?: boolean; readonly dtype?: DType } = {},
  ) {
    super(runtime);
    this.eps = eps;
    this.weight = constantParameter(runtime, [numFeatures], 1, dtype);
    this.bias = bias ? constantParameter(runtime, [numFeatures], 0, dtype) : null;
  }

  forward(x: Tensor): Tensor {
    return layerNorm(x, this.weight.shape, this.weight, this.bias, this.eps);
  }
}

/** Divides the last dimension by its root mean square, then scales it. Zhang and Sennrich, 2019. */
export class RMSNorm extends Module {
  readonly eps: number;
  readonly weight: Parameter;

  constructor(
    runtime: Runtime,
    numFeatures: number,
    { eps = 1e-6, dtype = "float32" }: { readonly eps?: number; readonly dtype?: DType } = {},
  ) {
    super(runtime);
    this.eps = eps;
    this.weight = constantParameter(runtime, [numFeatures], 1, dtype);
  }

  forward(x: Tensor): Tensor {
    return rmsNorm(x, this.weight.shape, this.weight, this.eps);
  }
}
