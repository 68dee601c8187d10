import { checkedOptions } from "../errors/option-error.ts";
import {
  addEach,
  addNumberToEach,
  addProductToEach,
  addQuotientToEach,
  scaleEach,
  squareRoots,
  sums,
} from "../tensor/kernels/foreach.ts";
import {
  checkedGroups,
  checkOption,
  type NamedParameter,
  Optimizer,
  type OptionalOptions,
  type ParameterGroup,
  type StepGroup,
} from "./optimizer.ts";

export interface AdamOptions {
  learningRate: number;
  /** How much of the running means of the gradient, and of its square, a step keeps. */
  betas: readonly [number, number];
  eps: number;
  /** Each step adds the parameter, times this, to its gradient; `AdamW` decays the parameter itself. */
  weightDecay: number;
  /** Whether parameters in bfloat16 or float16 are updated as float32 copies, of which they are the rounded values. */
  masterWeights: boolean;
}

const DEFAULTS: Readonly<AdamOptions> = {
  learningRate: 1e-3,
  betas: [0.9, 0.999],
  eps: 1e-8,
  weightDecay: 0,
  masterWeights: false,
};

const NAMES = Object.keys(DEFAULTS) as (keyof AdamOptions)[];

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
  constructor(
    parameters: readonly NamedParameter[] | readonly ParameterGroup<AdamOptions>[],
    options: OptionalOptions<AdamOptions> = {},
  ) {
    super(checkedGroups("Adam", parameters, NAMES), {
      ...DEFAULTS,
      ...checkedOptions("Adam", options, NAMES),
    });
    for (const { options } of this.groups) checkOptions(options);
  }

  protected override slotNames(): readonly string[] {
    return ["exp_avg", "exp_avg_sq"];
  }

  protected override update({ weights, gradients, slots, step }: StepGroup, options: AdamOptions): void {
    const { learningRate, betas, eps, weightDecay } = options;
    const [means, squareMeans] = slots as [StepGroup["slots"][0], StepGroup["slots"][0]];
    const g = weightDecay === 0 ? gradients : sums(gradients, weights, weightDecay);
    scaleEach(means, betas[0]);
    addEach(means, g, 1 - betas[0]);
    scaleEach(squareMeans, betas[1]);
    addProductToEach(squareMeans, g, g, 1 - betas[1]);
    // Both bias corrections are folded into the numbers, which saves a pass over every parameter.
    const rootOfCorrection = Math.sqrt(1 - betas[1] ** step);
    const denominators = squareRoots(squareMeans);
    addNumberToEach(denominators, eps * rootOfCorrection);
    addQuotientToEach(
      weights,
      means,
      denominators,
      (-learningRate * rootOfCorrection) / (1 - betas[0] ** step),
    );
  }
}

function checkOptions({ learningRate, betas, eps, weightDecay }: AdamOptions): void {
  checkOption("Adam", "learningRate", learningRate, "at least 0", learningRate >= 0);
  for (const beta of betas)
    checkOption("Adam", "betas", beta, "at least 0 and under 1", beta >= 0 && beta < 1);
  checkOption("Adam", "eps", eps, "at least 0", eps >= 0);
  checkOption("Adam", "weightDecay", weightDecay, "at least 0", weightDecay >= 0);
}
