import {
  addNumberToEach,
  addProductToEach,
  addQuotientToEach,
  squareRoots,
  sums,
} from "../tensor/kernels/foreach.ts";
import { Optimizer, type OptimizerParameters, type OptionalOptions, type StepGroup } from "./optimizer.ts";
import { checkNotNegative } from "./option-ranges.ts";

export interface AdagradOptions {
  learningRate: number;
  /** Step t, from 1, uses the learning rate divided by 1 + (t - 1) times this. */
  learningRateDecay: number;
  /** Each step adds the parameter, times this, to its gradient. */
  weightDecay: number;
  /** What the sum of squares starts with. */
  initialSum: number;
  eps: number;
  /** Whether parameters in bfloat16 or float16 are updated as float32 copies, of which they are the rounded values. */
  masterWeights: boolean;
}

const DEFAULTS: Readonly<AdagradOptions> = {
  learningRate: 0.01,
  learningRateDecay: 0,
  weightDecay: 0,
  initialSum: 0,
  eps: 1e-10,
  masterWeights: false,
};

/**
 * Adagrad as PyTorch defines it (Duchi, Hazan and Singer, 2011); with the gradient g of step t, from 1:
 *
 *     g <- g + weightDecay w                s <- s + g^2
 *     w <- w - learningRate / (1 + (t - 1) learningRateDecay) g / (sqrt(s) + eps)
 *
 * The state is PyTorch's: `sum` is s, which starts at `initialSum`, PyTorch's `initial_accumulator_value`.
 */
export class Adagrad extends Optimizer<AdagradOptions> {
  /** @throws OptionError for an option that does not exist or is out of its range, or two parameters of one name */
  constructor(
    parameters: OptimizerParameters<AdagradOptions>,
    options: OptionalOptions<AdagradOptions> = {},
  ) {
    super("Adagrad", parameters, DEFAULTS, options);
    const names = ["learningRate", "learningRateDecay", "weightDecay", "initialSum", "eps"] as const;
    for (const { options } of this.groups) checkNotNegative("Adagrad", options, names);
  }

  protected override slotNames(): readonly string[] {
    return ["sum"];
  }

  protected override update({ weights, gradients, slots, step }: StepGroup, options: AdagradOptions): void {
    const { learningRate, learningRateDecay, weightDecay, initialSum, eps } = options;
    const g = weightDecay === 0 ? gradients : sums(gradients, weights, weightDecay);
    const squareSums = slots[0]!;
    if (step === 1 && initialSum !== 0) addNumberToEach(squareSums, initialSum);
    addProductToEach(squareSums, g, g, 1);
    const denominators = squareRoots(squareSums);
    addNumberToEach(denominators, eps);
    addQuotientToEach(weights, g, denominators, -learningRate / (1 + (step - 1) * learningRateDecay));
  }
}
