import { checkedOptions } from "../errors/option-error.ts";
import {
  addEach,
  addNumberToEach,
  addProductToEach,
  addQuotientToEach,
  fusedAdamW,
  scaleEach,
  squareRoots,
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

export interface AdamWOptions {
  learningRate: number;
  /** How much of the running means of the gradient, and of its square, a step keeps. */
  betas: readonly [number, number];
  eps: number;
  /** The share of a parameter, times the learning rate, that each step takes away. */
  weightDecay: number;
  /** Whether parameters in bfloat16 or float16 are updated as float32 copies, of which they are the rounded values. */
  masterWeights: boolean;
}

const DEFAULTS: Readonly<AdamWOptions> = {
  learningRate: 1e-3,
  betas: [0.9, 0.999],
  eps: 1e-8,
  weightDecay: 0.01,
  masterWeights: false,
};

const NAMES = Object.keys(DEFAULTS) as (keyof AdamWOptions)[];

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
  constructor(
    parameters: readonly NamedParameter[] | readonly ParameterGroup<AdamWOptions>[],
    options: OptionalOptions<AdamWOptions> = {},
  ) {
    super(checkedGroups("AdamW", parameters, NAMES), {
      ...DEFAULTS,
      ...checkedOptions("AdamW", options, NAMES),
    });
    for (const { options } of this.groups) checkOptions(options);
  }

  protected override slotNames(): readonly string[] {
    return ["exp_avg", "exp_avg_sq"];
  }

  protected override update({ weights, gradients, slots, step }: StepGroup, options: AdamWOptions): void {
    const { learningRate, betas, eps, weightDecay } = options;
    const [means, squareMeans] = slots as [StepGroup["slots"][0], StepGroup["slots"][0]];
    const { runtime } = weights[0]!;
    if (runtime.device.kind === "cuda") {
      const all = { weights, gradients, means, squareMeans, step: runtime.full([], step) };
      fusedAdamW({ ...all, learningRate, betas, weightDecay, eps });
      return;
    }
    if (weightDecay !== 0) scaleEach(weights, 1 - learningRate * weightDecay);
    scaleEach(means, betas[0]);
    addEach(means, gradients, 1 - betas[0]);
    scaleEach(squareMeans, betas[1]);
    addProductToEach(squareMeans, gradients, gradients, 1 - betas[1]);
    // Both bias corrections are folded into the numbers, which saves a pass over every parameter.
    const rootOfCorrection = Math.sqrt(1 - betas[1] ** step);
    const denominators = squareRoots(squareMeans);
    addNumberToEach(denominators, eps * rootOfCorrection);
    const stepSize = (learningRate * rootOfCorrection) / (1 - betas[0] ** step);
    addQuotientToEach(weights, means, denominators, -stepSize);
  }
}

function checkOptions({ learningRate, betas, eps, weightDecay }: AdamWOptions): void {
  checkOption("AdamW", "learningRate", learningRate, "at least 0", learningRate >= 0);
  for (const beta of betas)
    checkOption("AdamW", "betas", beta, "at least 0 and under 1", beta >= 0 && beta < 1);
  checkOption("AdamW", "eps", eps, "at least 0", eps >= 0);
  checkOption("AdamW", "weightDecay", weightDecay, "at least 0", weightDecay >= 0);
}
