import {
  addEach,
  addNumberToEach,
  addProductToEach,
  addQuotientToEach,
  scaleEach,
  squareRoots,
} from "../tensor/kernels/foreach.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { StepGroup } from "./optimizer.ts";
import { checkBetas, checkNotNegative } from "./option-ranges.ts";

/** The options of Adam and AdamW, which differ only in what becomes of the weight decay. */
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

/** The running means of the gradient and of its square, as PyTorch names them. */
export const ADAM_SLOTS = ["exp_avg", "exp_avg_sq"];

/** A step of Adam without weight decay. @param gradients Those that are taken into the means. */
export function stepAdam(
  { weights, slots, step }: StepGroup,
  gradients: readonly Tensor[],
  { learningRate, betas, eps }: AdamOptions,
): void {
  const [means, squareMeans] = slots as [readonly Tensor[], readonly Tensor[]];
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

/** @throws OptionError */
export function checkAdamOptions(kind: string, options: AdamOptions): void {
  checkNotNegative(kind, options, ["learningRate", "eps", "weightDecay"]);
  checkBetas(kind, options.betas);
}
