import { addEach, scaleEach } from "../tensor/kernels/foreach.ts";
import { Optimizer, type OptimizerParameters, type OptionalOptions, type StepGroup } from "./optimizer.ts";
import { checkNotNegative, checkOption } from "./option-ranges.ts";

export interface SGDOptions {
  learningRate: number;
  momentum: number;
  /** Each step adds the parameter, times this, to its gradient. */
  weightDecay: number;
  /** Nesterov's momentum, which looks one step ahead. */
  nesterov: boolean;
  /** Whether parameters in bfloat16 or float16 are updated as float32 copies, of which they are the rounded values. */
  masterWeights: boolean;
}

const DEFAULTS: Readonly<SGDOptions> = {
  learningRate: 1e-3,
  momentum: 0,
  weightDecay: 0,
  nesterov: false,
  masterWeights: false,
};

/**
 * Stochastic gradient descent as PyTorch defines it, with a dampening of 0; with the gradient g:
 *
 *     g <- g + weightDecay w
 *     b <- momentum b + g                   g <- b, or with Nesterov's momentum g + momentum b
 *     w <- w - learningRate g
 *
 * The state `momentum_buffer` is b; without momentum there is none. Sutskever et al., 2013.
 */
export class SGD extends Optimizer<SGDOptions> {
  /** @throws OptionError for an option that does not exist or is out of its range, or two parameters of one name */
  constructor(parameters: OptimizerParameters<SGDOptions>, options: OptionalOptions<SGDOptions> = {}) {
    super("SGD", parameters, DEFAULTS, options);
    for (const { options } of this.groups) {
      checkNotNegative("SGD", options, ["learningRate", "momentum", "weightDecay"]);
      const { momentum, nesterov } = options;
      checkOption("SGD", "momentum", momentum, "over 0 with nesterov", !nesterov || momentum > 0);
    }
  }

  protected override slotNames({ momentum }: SGDOptions): readonly string[] {
    return momentum === 0 ? [] : ["momentum_buffer"];
  }

  protected override update({ weights, gradients, slots }: StepGroup, options: SGDOptions): void {
    const { learningRate, momentum, weightDecay, nesterov } = options;
    const buffers = slots[0];
    if (buffers !== undefined) {
      scaleEach(buffers, momentum);
      addEach(buffers, gradients, 1);
      if (weightDecay !== 0) addEach(buffers, weights, weightDecay);
      if (!nesterov) {
        addEach(weights, buffers, -learningRate);
        return;
      }
    }
    if (weightDecay !== 0) scaleEach(weights, 1 - learningRate * weightDecay);
    addEach(weights, gradients, -learningRate);
    if (buffers !== undefined) addEach(weights, buffers, -learningRate * momentum);
  }
}
