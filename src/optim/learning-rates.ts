import { OptionError } from "../nn/option-error.ts";

/** The learning rate of a step; the first step is 0. */
export type LearningRateSchedule = (step: number) => number;

export function constant(learningRate: number): LearningRateSchedule {
  return () => learningRate;
}

/** A straight line from `from` at step 0 to `to` at step `numSteps`, where it stays. */
export function linear(options: {
  readonly from: number;
  readonly to: number;
  readonly numSteps: number;
}): LearningRateSchedule {
  const { from, to, numSteps } = options;
  checkSteps("numSteps", numSteps, 1);
  return (step) => from + (to - from) * Math.min(1, step / numSteps);
}

/**
 * Up to `peak` in `numWarmupSteps` equal steps, the first of which is not 0, then half a cosine down to `minimum` at
 * step `numSteps`, where it stays. Loshchilov and Hutter, 2017, without restarts.
 */
export function warmupCosine(options: {
  readonly peak: number;
  readonly minimum?: number;
  readonly numWarmupSteps: number;
  readonly numSteps: number;
}): LearningRateSchedule {
  const { peak, minimum = 0, numWarmupSteps, numSteps } = options;
  checkSteps("numWarmupSteps", numWarmupSteps, 0);
  checkSteps("numSteps", numSteps, numWarmupSteps + 1);
  return (step) => {
    if (step < numWarmupSteps) return (peak * (step + 1)) / numWarmupSteps;
    const progress = Math.min(1, (step - numWarmupSteps) / (numSteps - numWarmupSteps));
    return minimum + ((peak - minimum) * (1 + Math.cos(Math.PI * progress))) / 2;
  };
}

function checkSteps(name: string, numSteps: number, least: number): void {
  if (!Number.isInteger(numSteps) || numSteps < least)
    throw new OptionError(
      `${name} of a learning-rate schedule must be a whole number of at least ${least}; got ${numSteps}`,
    );
}
