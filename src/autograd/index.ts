export { finish, isSuspendable, type Suspendable, type Transfer } from "../tensor/suspension.ts";
export { Backward, backward, type GraphRoot, rootOf, scalarGradient } from "./backward.ts";
export { checkpoint, suspendableCheckpoint } from "./checkpoint.ts";
export { enableGrad, noGrad } from "./grad-mode.ts";
export {
  type Differentiate,
  detach,
  historyOf,
  type InputGradients,
  type Leaf,
  markInput,
  type Node,
  record,
  requiresGrad,
  type Save,
  variable,
} from "./graph.ts";
export * from "./operators/activation.ts";
export * from "./operators/arithmetic.ts";
export * from "./operators/attention.ts";
export * from "./operators/cast.ts";
export * from "./operators/dropout.ts";
export * from "./operators/embedding.ts";
export * from "./operators/linear.ts";
export * from "./operators/loss.ts";
export * from "./operators/matmul.ts";
export * from "./operators/normalization.ts";
export * from "./operators/pointwise.ts";
export * from "./operators/reduction.ts";
export * from "./operators/shape.ts";
export * from "./operators/slice.ts";
export * from "./operators/softmax.ts";
export { Parameter } from "./parameter.ts";
