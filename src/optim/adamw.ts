import { fusedAdamW, scaleEach } from "../tensor/kernels/foreach.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { ADAM_SLOTS, type AdamOptions, checkAdamOptions, stepAdam } from "./adam-step.ts";
import { Optimizer, type OptimizerParameters, type OptionalOptions, type StepGroup } from "./optimizer.ts";

export interface AdamWOptions extends AdamOptions {
  /** The share of a parameter, times the learning rate, that each step takes away. */
  weightDecay: number;
}

const DEFAULTS: Readonly<AdamWOptions> = {
  learningRate: 1e-3,
  betas: [0.9, 0.999],
  eps: 1e-8,
  weightDecay: 0.01,
  masterWeights: false,
};

/**
 * Adam with decoupled weight decay, algorithm 2 of Loshchilov and Hutter, 2019; with the gradient g of step t, from 1:
 *
 *     w <- w - learningRate weightDecay w
 *     m <- beta1 m + (1 - beta1) g          v <- beta2 v + (1 - beta2) g^2
 *     w <- w - learningRate (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
 *
 * On a card, LibTorch's fused kernel does this in one pass over each parameter.
 * Defaults and state (`exp_avg` is m, `exp_avg_sq` is v) are PyTorch's.
 *
 * @example
 * const optimizer = new AdamW(weightDecayGroups(model.namedParameters(), 0.1), { learningRate: 3e-4 });
 */
export class AdamW extends Optimizer<AdamWOptions> {
  /** @throws OptionError for an option that does not exist or is out of its range, or two parameters of one name */
  constructor(parameters: OptimizerParameters<AdamWOptions>, options: OptionalOptions<AdamWOptions> = {}) {
    super("AdamW", parameters, DEFAULTS, options);
    for (const { options } of this.groups) checkAdamOptions("AdamW", options);
  }

  protected override slotNames(): readonly string[] {
    return ADAM_SLOTS;
  }

  protected override update(group: StepGroup, options: AdamWOptions): void {
    const { weights, gradients, slots, step } = group;
    const { learningRate, betas, eps, weightDecay } = options;
    const { runtime } = weights[0]!;
    if (runtime.device.kind === "cuda") {
      const [means, squareMeans] = slots as [readonly Tensor[], readonly Tensor[]];
      const all = { weights, gradients, means, squareMeans, step: runtime.full([], step) };
      fusedAdamW({ ...all, learningRate, betas, weightDecay, eps });
      return;
    }
    if (weightDecay !== 0) scaleEach(weights, 1 - learningRate * weightDecay);
    stepAdam(group, gradients, options);
  }
}
