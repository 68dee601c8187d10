import { sums } from "../tensor/kernels/foreach.ts";
import { ADAM_SLOTS, type AdamOptions, checkAdamOptions, stepAdam } from "./adam-step.ts";
import { Optimizer, type OptimizerParameters, type OptionalOptions, type StepGroup } from "./optimizer.ts";

const DEFAULTS: Readonly<AdamOptions> = {
  learningRate: 1e-3,
  betas: [0.9, 0.999],
  eps: 1e-8,
  weightDecay: 0,
  masterWeights: false,
};

/**
 * Adam, algorithm 1 of Kingma and Ba, 2015; with the gradient g of step t, from 1:
 *
 *     g <- g + weightDecay w
 *     m <- beta1 m + (1 - beta1) g          v <- beta2 v + (1 - beta2) g^2
 *     w <- w - learningRate (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
 *
 * Defaults and state (`exp_avg` is m, `exp_avg_sq` is v) are PyTorch's.
 */
export class Adam extends Optimizer<AdamOptions> {
  /** @throws OptionError for an option that does not exist or is out of its range, or two parameters of one name */
  constructor(parameters: OptimizerParameters<AdamOptions>, options: OptionalOptions<AdamOptions> = {}) {
    super("Adam", parameters, DEFAULTS, options);
    for (const { options } of this.groups) checkAdamOptions("Adam", options);
  }

  protected override slotNames(): readonly string[] {
    return ADAM_SLOTS;
  }

  protected override update(group: StepGroup, options: AdamOptions): void {
    const { weights, gradients } = group;
    const { weightDecay } = options;
    stepAdam(group, weightDecay === 0 ? gradients : sums(gradients, weights, weightDecay), options);
  }
}
