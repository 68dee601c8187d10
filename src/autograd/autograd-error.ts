import { DualPipeError } from "../errors/dualpipe-error.ts";

export type AutogradErrorCode =
  /** A backward starts at a tensor through which no gradient flows. */
  | "NO_GRADIENT"
  /** A gradient would end at the result of an operator that was called without `record`. */
  | "GRADIENT_LOST"
  /** A backward without gradients starts at a tensor with more than one element. */
  | "GRADIENT_MISSING"
  /** A gradient that a caller or a rule gives has another shape or dtype, or there are too many or too few. */
  | "GRADIENT_MISMATCH"
  /** `gradcheck` finds a gradient that is not the slope, or that a split backward changes. */
  | "GRADIENT_WRONG"
  /** A second backward through one graph, whose saved tensors are freed. */
  | "BACKWARD_RAN_ALREADY"
  /** A tensor that a backward needs was changed in place after the forward. */
  | "SAVED_TENSOR_CHANGED"
  /** A gradient rule asks for a saved tensor that the wanted gradients do not need. */
  | "SAVED_TENSOR_MISSING"
  /** A checkpoint without inputs, or one that would need a tensor that is disposed when its body runs again. */
  | "CHECKPOINT_INPUT"
  /** A probability of dropout outside of [0, 1). */
  | "INVALID_PROBABILITY";

/** A backward cannot run as asked, or a function with a gradient got an option that it does not take. */
export class AutogradError extends DualPipeError<AutogradErrorCode> {
  override readonly name = "AutogradError";
}
