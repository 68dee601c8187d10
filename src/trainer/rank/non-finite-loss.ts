import { DualPipeError } from "../../errors/dualpipe-error.ts";

/** A loss or gradient became NaN or infinite; the weights were left as they were before the step. */
export class NonFiniteLossError extends DualPipeError<"NON_FINITE_LOSS"> {
  override readonly name = "NonFiniteLossError";

  constructor(step: number, loss: number, gradientNorm: number) {
    super(
      "NON_FINITE_LOSS",
      `the loss of step ${step} is ${loss} and its gradient norm ${gradientNorm}; the weights were left as they were; ` +
        "lower optimizer.learningRate, lengthen learningRateSchedule.warmupSteps, or set optimizer.gradientClip",
    );
  }
}
