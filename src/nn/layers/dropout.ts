import { dropout } from "../../autograd/operators/dropout.ts";
import { OptionError } from "../../errors/option-error.ts";
import type { Runtime } from "../../tensor/runtime.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { Module } from "../module.ts";

/**
 * In training, sets each element to 0 with this probability and divides the others by the probability to stay, so that
 * the mean stays the same; in evaluation, returns its input. Draws from the runtime's generator. Srivastava et al.,
 * 2014.
 */
export class Dropout extends Module {
  readonly probability: number;

  /** @throws OptionError unless 0 <= probability < 1 */
  constructor(runtime: Runtime, probability: number) {
    super(runtime);
    if (!(probability >= 0 && probability < 1))
      throw new OptionError(`a dropout probability must be at least 0 and under 1; got ${probability}`);
    this.probability = probability;
  }

  forward(x: Tensor): Tensor {
    return this.training ? dropout(x, this.probability) : x;
  }
}
