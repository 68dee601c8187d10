import { linear } from "../../autograd/operators/linear.ts";
import type { Parameter } from "../../autograd/parameter.ts";
import { checkedOptions, OptionError } from "../../errors/option-error.ts";
import type { DType } from "../../tensor/dtype.ts";
import type { Runtime } from "../../tensor/runtime.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { uniformParameter } from "../initial.ts";
import { Module } from "../module.ts";

export interface LinearOptions {
  readonly bias?: boolean | undefined;
  readonly dtype?: DType | undefined;
  /** The weight of another layer, [outFeatures, inFeatures]: both layers then train the same parameter. */
  readonly weight?: Parameter | undefined;
}

/** `x W^T + b` on the last dimension: [..., inFeatures] to [..., outFeatures]. */
export class Linear extends Module {
  /** [outFeatures, inFeatures] */
  readonly weight: Parameter;
  /** [outFeatures] */
  readonly bias: Parameter | null;

  /**
   * Weights and biases are initially uniform in [-1 / sqrt(inFeatures), 1 / sqrt(inFeatures)), as PyTorch's
   * `nn.Linear`.
   * @throws OptionError when `weight` has another shape
   */
  constructor(runtime: Runtime, inFeatures: number, outFeatures: number, options: LinearOptions = {}) {
    super(runtime);
    const {
      bias = true,
      dtype = "float32",
      weight,
    } = checkedOptions("Linear", options, ["bias", "dtype", "weight"]);
    if (weight !== undefined && (weight.shape[0] !== outFeatures || weight.shape[1] !== inFeatures))
      throw new OptionError(
        `Linear(${inFeatures}, ${outFeatures}) must share a weight of the shape [${outFeatures}, ${inFeatures}]; got [${weight.shape.join(", ")}]`,
      );
    const bound = 1 / Math.sqrt(inFeatures);
    this.weight = weight ?? uniformParameter(runtime, [outFeatures, inFeatures], bound, dtype);
    this.bias = bias ? uniformParameter(runtime, [outFeatures], bound, dtype) : null;
  }

  forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias);
  }
}
