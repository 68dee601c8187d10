import { sign } from "../autograd/library/elementwise.ts";
import { addEach, products, scaleEach } from "../tensor/kernels/foreach.ts";
import { Optimizer, type OptimizerParameters, type OptionalOptions, type StepGroup } from "./optimizer.ts";
import { checkBetas, checkNotNegative } from "./option-ranges.ts";

export interface LionOptions {
  /** A third to a tenth of AdamW's, by the paper. */
  learningRate: number;
  /** How much of the momentum an update takes, and how much of it a step keeps. */
  betas: readonly [number, number];
  /** The share of a parameter, times the learning rate, that each step takes away: three to ten times AdamW's. */
  weightDecay: number;
  /** Whether parameters in bfloat16 or float16 are updated as float32 copies, of which they are the rounded values. */
  masterWeights: boolean;
}

const DEFAULTS: Readonly<LionOptions> = {
  learningRate: 1e-4,
  betas: [0.9, 0.99],
  weightDecay: 0,
  masterWeights: false,
};

/**
 * Lion, algorithm 2 of Chen et al., 2023 (arXiv 2302.06675), which keeps one number per weight; with the gradient g:
 *
 *     w <- w - learningRate (sign(beta1 m + (1 - beta1) g) + weightDecay w)
 *     m <- beta2 m + (1 - beta2) g
 *
 * The state `exp_avg` is m.
 */
export class Lion extends Optimizer<LionOptions> {
  /** @throws OptionError for an option that does not exist or is out of its range, or two parameters of one name */
  constructor(parameters: OptimizerParameters<LionOptions>, options: OptionalOptions<LionOptions> = {}) {
    super("Lion", parameters, DEFAULTS, options);
    for (const { options } of this.groups) {
      checkNotNegative("Lion", options, ["learningRate", "weightDecay"]);
      checkBetas("Lion", options.betas);
    }
  }

  protected override slotNames(): readonly string[] {
    return ["exp_avg"];
  }

  protected override update({ weights, gradients, slots }: StepGroup, options: LionOptions): void {
    const { learningRate, betas, weightDecay } = options;
    const means = slots[0]!;
    const directions = products(means, betas[0]);
    addEach(directions, gradients, 1 - betas[0]);
    if (weightDecay !== 0) scaleEach(weights, 1 - learningRate * weightDecay);
    addEach(weights, directions.map(sign), -learningRate);
    scaleEach(means, betas[1]);
    addEach(means, gradients, 1 - betas[1]);
  }
}
