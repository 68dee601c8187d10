/** A loss became NaN or infinite, so that the weights would be lost with the next step. */
export class NonFiniteLossError extends Error {
  override readonly name = "NonFiniteLossError";
  readonly code = "NON_FINITE_LOSS";

  constructor(step: number, loss: number, gradientNorm: number) {
    super(
      `dualpipe: the loss of step ${step} is ${loss} and its gradient norm ${gradientNorm}; ` +
        "the weights were left as they were; lower optimizer.learningRate, lengthen learningRateSchedule.warmupSteps, or set optimizer.gradientClip",
    );
  }
}
