import { linear } from "../autograd/operators/linear.ts";
import type { Parameter } from "../autograd/parameter.ts";
import type { DType } from "../tensor/dtype.ts";
import type { Runtime } from "../tensor/runtime.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { uniformParameter } from "./initial.ts";
import { Module } from "./module.ts";
import { OptionError } from "./option-error.ts";

export interface LinearOptions {
  readonly bias?: boolean;
  readonly dtype?: DType;
  /** The weight of another layer, [outFeatures, inFeatures], to share. */
  readonly weight?: Parameter | undefined;
}

/** `x W^T + b` over the last dimension: [..., inFeatures] to [..., outFeatures]. */
export class Linear extends Module {
  /** [outFeatures, inFeatures] */
  readonly weight: Parameter;
  /** [outFeatures] */
  readonly bias: Parameter | null;

  /** Weights and biases start uniform within 1/sqrt(inFeatures), as PyTorch's `nn.Linear`. */
  constructor(
    runtime: Runtime,
    inFeatures: number,
    outFeatures: number,
    { bias = true, dtype = "float32", weight }: LinearOptions = {},
  ) {
    super(runtime);
    if (weight !== undefined && (weight.shape[0] !== outFeatures || weight.shape[1] !== inFeatures))
      throw new OptionError(
        `Linear(${inFeatures}, ${outFeatures}) shares a weight of the shape [${weight.shape}]; it takes one of [${outFeatures},${inFeatures}]`,
      );
    const bound = 1 / Math.sqrt(inFeatures);
    this.weight = weight ?? uniformParameter(runtime, [outFeatures, inFeatures], bound, dtype);
    this.bias = bias ? uniformParameter(runtime, [outFeatures], bound, dtype) : null;
  }

  forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias);
  }
}
