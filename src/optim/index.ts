/**
 * Optimizers, learning rates and gradient norms.
 * @module dualpipe/optim
 */
export { Adagrad, type AdagradOptions } from "./adagrad.ts";
export { Adam } from "./adam.ts";
export type { AdamOptions } from "./adam-step.ts";
export { AdamW, type AdamWOptions } from "./adamw.ts";
export { AveragedWeights, type AveragedWeightsOptions } from "./averaged-weights.ts";
export { clipFactor, scaleGradients, squaredGradNorm } from "./gradient-norm.ts";
export * as learningRates from "./learning-rates.ts";
export { Lion, type LionOptions } from "./lion.ts";
export {
  type NamedParameter,
  Optimizer,
  type OptimizerParameters,
  type OptionalOptions,
  type ParameterGroup,
  weightDecayGroups,
} from "./optimizer.ts";
export { Plateau, type PlateauOptions, type PlateauState } from "./plateau.ts";
export { RMSprop, type RMSpropOptions } from "./rmsprop.ts";
export { SGD, type SGDOptions } from "./sgd.ts";
