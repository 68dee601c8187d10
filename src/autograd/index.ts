export { finish, isSuspendable, type Suspendable, type Transfer } from "../tensor/suspension.ts";
export { Backward, backward, type GraphRoot, rootOf, scalarGradient } from "./backward.ts";
export { checkpoint, suspendableCheckpoint } from "./checkpoint.ts";
export * from "./functions/activation.ts";
export * from "./functions/arithmetic.ts";
export * from "./functions/attention.ts";
export * from "./functions/cast.ts";
export * from "./functions/dropout.ts";
export * from "./functions/embedding.ts";
export * from "./functions/linear.ts";
export * from "./functions/loss.ts";
export * from "./functions/matmul.ts";
export * from "./functions/normalization.ts";
export * from "./functions/pointwise.ts";
export * from "./functions/reduction.ts";
export * from "./functions/shape.ts";
export * from "./functions/slice.ts";
export * from "./functions/softmax.ts";
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
export { Parameter } from "./parameter.ts";
