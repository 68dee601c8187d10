import {
  addEach,
  addNumberToEach,
  addProductToEach,
  addQuotientToEach,
  scaleEach,
  squareRoots,
  sums,
} from "../tensor/kernels/foreach.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Optimizer, type OptimizerParameters, type OptionalOptions, type StepGroup } from "./optimizer.ts";
import { checkNotNegative, checkOption } from "./option-ranges.ts";

export interface RMSpropOptions {
  learningRate: number;
  /** How much of the running mean of the gradient's square a step keeps. */
  alpha: number;
  eps: number;
  /** Each step adds the parameter, times this, to its gradient. */
  weightDecay: number;
  momentum: number;
  /** Whether the gradient is divided by its standard deviation, instead of the root of its mean square. */
  centered: boolean;
  /** Whether parameters in bfloat16 or float16 are updated as float32 copies, of which they are the rounded values. */
  masterWeights: boolean;
}

const DEFAULTS: Readonly<RMSpropOptions> = {
  learningRate: 0.01,
  alpha: 0.99,
  eps: 1e-8,
  weightDecay: 0,
  momentum: 0,
  centered: false,
  masterWeights: false,
};

/**
 * RMSprop as PyTorch defines it (Tieleman and Hinton, 2012; centered as Graves, 2013); with the gradient g:
 *
 *     g <- g + weightDecay w
 *     s <- alpha s + (1 - alpha) g^2        a <- alpha a + (1 - alpha) g, if centered, and else 0
 *     u <- g / (sqrt(s - a^2) + eps)        b <- momentum b + u, which takes the place of u if momentum is not 0
 *     w <- w - learningRate u
 *
 * The state is PyTorch's: `square_avg` is s, `momentum_buffer` is b, `grad_avg` is a.
 */
export class RMSprop extends Optimizer<RMSpropOptions> {
  /** @throws OptionError for an option that does not exist or is out of its range, or two parameters of one name */
  constructor(
    parameters: OptimizerParameters<RMSpropOptions>,
    options: OptionalOptions<RMSpropOptions> = {},
  ) {
    super("RMSprop", parameters, DEFAULTS, options);
    for (const { options } of this.groups) {
      checkNotNegative("RMSprop", options, ["learningRate", "eps", "weightDecay", "momentum"]);
      const { alpha } = options;
      checkOption("RMSprop", "alpha", alpha, "at least 0 and at most 1", alpha >= 0 && alpha <= 1);
    }
  }

  protected override slotNames({ momentum, centered }: RMSpropOptions): readonly string[] {
    return ["square_avg", ...(momentum === 0 ? [] : ["momentum_buffer"]), ...(centered ? ["grad_avg"] : [])];
  }

  protected override update({ weights, gradients, slots }: StepGroup, options: RMSpropOptions): void {
    const { learningRate, alpha, eps, weightDecay, momentum, centered } = options;
    const g = weightDecay === 0 ? gradients : sums(gradients, weights, weightDecay);
    const squareMeans = slots[0]!;
    scaleEach(squareMeans, alpha);
    addProductToEach(squareMeans, g, g, 1 - alpha);
    const denominators = centered
      ? deviations(squareMeans, slots.at(-1)!, g, alpha)
      : squareRoots(squareMeans);
    addNumberToEach(denominators, eps);
    if (momentum === 0) {
      addQuotientToEach(weights, g, denominators, -learningRate);
      return;
    }
    const buffers = slots[1]!;
    scaleEach(buffers, momentum);
    addQuotientToEach(buffers, g, denominators, 1);
    addEach(weights, buffers, -learningRate);
  }
}

/** Updates the running means of the gradients. @returns The gradients' standard deviations */
function deviations(
  squareMeans: readonly Tensor[],
  means: readonly Tensor[],
  gradients: readonly Tensor[],
  alpha: number,
): Tensor[] {
  scaleEach(means, alpha);
  addEach(means, gradients, 1 - alpha);
  const variances = sums(squareMeans, squareMeans, 0);
  addProductToEach(variances, means, means, -1);
  return squareRoots(variances);
}
