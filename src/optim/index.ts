/**
 * Optimizers, learning rates and gradient norms.
 * @module dualpipe/optim
 */
export { AdamW, type AdamWOptions } from "./adamw.ts";
export { clipFactor, scaleGradients, squaredGradNorm } from "./gradient-norm.ts";
export * as learningRates from "./learning-rates.ts";
export {
  type NamedParameter,
  Optimizer,
  type OptionalOptions,
  type ParameterGroup,
  weightDecayGroups,
} from "./optimizer.ts";
export { SGD, type SGDOptions } from "./sgd.ts";
