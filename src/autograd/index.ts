export { AutogradError, type AutogradErrorCode } from "./autograd-error.ts";
export { Backward, backward, type GraphRoot, rootOf, scalarGradient } from "./backward.ts";
export { checkpoint, suspendableCheckpoint } from "./checkpoint.ts";
export { record } from "./custom-function.ts";
export { enableGrad, noGrad } from "./grad-mode.ts";
export { type GradcheckOptions, gradcheck } from "./gradcheck.ts";
export {
  type Gradient,
  historyOf,
  type InputGradients,
  type Leaf,
  type Node,
  requiresGrad,
} from "./graph.ts";
export * from "./library/activation.ts";
export * from "./library/arithmetic.ts";
export * from "./library/comparison.ts";
export * from "./library/convolution.ts";
export { differentiable, differentiableMany } from "./library/differentiable.ts";
export * from "./library/elementwise.ts";
export * from "./library/indexing.ts";
export * from "./library/loss.ts";
export * from "./library/matrix.ts";
export * from "./library/normalization.ts";
export * from "./library/reduction.ts";
export * from "./operators/activation.ts";
export * from "./operators/arithmetic.ts";
export * from "./operators/attention/attention.ts";
export * from "./operators/dropout.ts";
export * from "./operators/embedding.ts";
export * from "./operators/join.ts";
export * from "./operators/linear.ts";
export * from "./operators/loss.ts";
export * from "./operators/matmul.ts";
export * from "./operators/normalization.ts";
export * from "./operators/pointwise.ts";
export * from "./operators/reduction.ts";
export * from "./operators/shape.ts";
export * from "./operators/slice.ts";
export { Parameter } from "./parameter.ts";
export {
  type Differentiate,
  detach,
  type Gradients,
  markInput,
  type Saved,
  variable,
} from "./record.ts";
export type { NamedSave, Save } from "./saved-tensors.ts";
