/** Tensors whose gradient ended in a call that nothing recorded (calls/unrecorded.ts), and the error about them. */
import { isFloatingPoint } from "../tensor/dtype.ts";
import type { Tensor, TensorHistory } from "../tensor/tensor.ts";
import { AutogradError } from "./autograd-error.ts";

/** The history of what an operator computed unrecorded from a tensor that needs a gradient. */
export class LostHistory implements TensorHistory {
  readonly operator: string;
  // As in any history through which no gradient flows.
  readonly source = undefined;
  readonly outputIndex = 0;
  readonly dependsOnStageInput = false;

  constructor(operator: string) {
    this.operator = operator;
  }

  whyFixed(): undefined {}

  /** What is computed from whole numbers or bools has no gradient to lose. */
  lostBy(_operator: string, tensor: Tensor): TensorHistory | undefined {
    return isFloatingPoint(tensor.dtype) ? this : undefined;
  }

  forget(): void {}
}

/** True when a gradient should have flowed through the tensor, and cannot. */
export function isGradientLost(tensor: Tensor): boolean {
  return tensor.history instanceof LostHistory && isFloatingPoint(tensor.dtype);
}

/** @param what The tensor's part in what is done with it. @throws AutogradError when its gradient is lost */
export function checkGradientKept(tensor: Tensor, what: string): void {
  if (!isGradientLost(tensor)) return;
  const { operator } = tensor.history as LostHistory;
  throw new AutogradError(
    "GRADIENT_LOST",
    `${what} was computed by a call of ${operator} that is not recorded, so its gradient would end there; ` +
      "say with record how it goes on or, where none is wanted, call the operator on detach(tensor) or within noGrad",
  );
}
