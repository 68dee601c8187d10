import { dropout } from "../autograd/operators/dropout.ts";
import type { Runtime } from "../tensor/runtime.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Module } from "./module.ts";
import { OptionError } from "./option-error.ts";

/** In training, zeroes each element with this probability and scales the others up; elsewhere gives its input. */
export class Dropout extends Module {
  readonly probability: number;

  /** @throws OptionError unless 0 <= probability < 1 */
  constructor(runtime: Runtime, probability: number) {
    super(runtime);
    if (!(probability >= 0 && probability < 1))
      throw new OptionError(`a dropout probability is at least 0 and under 1; got ${probability}`);
    this.probability = probability;
  }

  forward(x: Tensor): Tensor {
    return this.training ? dropout(x, this.probability) : x;
  }
}
