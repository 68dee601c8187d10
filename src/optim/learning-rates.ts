/*
 * A learning rate depends on nothing but the step, so it is a function of the step: it has no state that a checkpoint
 * would have to keep, and a resumed run continues at the right rate. PyTorch's schedulers are objects that change an
 * optimizer and must be saved with it. The one that follows what was measured has a class of its own (plateau.ts).
 */
import { OptionError } from "../errors/option-error.ts";

/** The learning rate of each step; the first step is 0. */
export type LearningRateSchedule = (step: number) => number;

export function constant(learningRate: number): LearningRateSchedule {
  return () => learningRate;
}

/**
 * A straight line from `from` at step 0 to `to` at step `numSteps`, then constant.
 * @throws OptionError unless `numSteps` is a whole number of at least 1
 */
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
 * Half a cosine from `from` at step 0 to `to` at step `numSteps`, then constant. Loshchilov and Hutter, 2017, without
 * restarts.
 * @throws OptionError unless `numSteps` is a whole number of at least 1
 */
export function cosine(options: {
  readonly from: number;
  readonly to: number;
  readonly numSteps: number;
}): LearningRateSchedule {
  const { from, to, numSteps } = options;
  checkSteps("numSteps", numSteps, 1);
  return (step) => to + ((from - to) * (1 + Math.cos(Math.PI * Math.min(1, step / numSteps)))) / 2;
}

/**
 * Rises to `peak` in `numWarmupSteps` equal steps, the first of which is above 0; then `schedule`, from its step 0.
 * @throws OptionError unless `numWarmupSteps` is a whole number
 */
export function afterWarmup(options: {
  readonly peak: number;
  readonly numWarmupSteps: number;
  readonly schedule: LearningRateSchedule;
}): LearningRateSchedule {
  const { peak, numWarmupSteps, schedule } = options;
  checkSteps("numWarmupSteps", numWarmupSteps, 0);
  return (step) =>
    step < numWarmupSteps ? (peak * (step + 1)) / numWarmupSteps : schedule(step - numWarmupSteps);
}

/**
 * A warm-up to `peak`, then half a cosine down to `minimum`, by default 0, at step `numSteps`.
 * @throws OptionError unless `numSteps` is a whole number of more than `numWarmupSteps`
 *
 * @example
 * const rateOf = learningRates.warmupCosine({ peak: 3e-4, numWarmupSteps: 100, numSteps: 1000 });
 * for (let step = 0; step < 1000; step++) {
 *   optimizer.learningRate = rateOf(step);
 *   pipe.step(inputs, { numChunks: 20, criterion: mseLoss, labels: [targets] });
 *   optimizer.step();
 *   optimizer.zeroGrad();
 * }
 */
export function warmupCosine(options: {
  readonly peak: number;
  readonly minimum?: number | undefined;
  readonly numWarmupSteps: number;
  readonly numSteps: number;
}): LearningRateSchedule {
  const { peak, minimum = 0, numWarmupSteps, numSteps } = options;
  checkSteps("numWarmupSteps", numWarmupSteps, 0);
  checkSteps("numSteps", numSteps, numWarmupSteps + 1);
  const schedule = cosine({ from: peak, to: minimum, numSteps: numSteps - numWarmupSteps });
  return afterWarmup({ peak, numWarmupSteps, schedule });
}

/**
 * Multiplies `from` by `factor` after every `everySteps` steps: PyTorch's `StepLR`.
 * @throws OptionError unless `everySteps` is a whole number of at least 1
 */
export function stepwise(options: {
  readonly from: number;
  readonly factor: number;
  readonly everySteps: number;
}): LearningRateSchedule {
  const { from, factor, everySteps } = options;
  checkSteps("everySteps", everySteps, 1);
  return (step) => from * factor ** Math.floor(step / everySteps);
}

/**
 * Multiplies `from` by `factor` at each of these steps: PyTorch's `MultiStepLR`.
 * @throws OptionError unless `atSteps` are whole numbers
 */
export function atMilestones(options: {
  readonly from: number;
  readonly factor: number;
  readonly atSteps: readonly number[];
}): LearningRateSchedule {
  const { from, factor, atSteps } = options;
  for (const step of atSteps) checkSteps("atSteps", step, 0);
  return (step) => from * factor ** atSteps.filter((milestone) => milestone <= step).length;
}

/** Multiplies `from` by `factor` at every step: PyTorch's `ExponentialLR`. */
export function exponential(options: {
  readonly from: number;
  readonly factor: number;
}): LearningRateSchedule {
  const { from, factor } = options;
  return (step) => from * factor ** step;
}

/**
 * Rises from `peak / startDivisor` to `peak` in the first `riseShare` of the steps, then falls to the start divided by
 * `endDivisor` at the last step, `numSteps - 1`, both along half cosines or straight lines. Smith and Topin, 2019, as
 * PyTorch's `OneCycleLR` has it, without its cycle of the momentum.
 * @throws OptionError unless `numSteps` is a whole number of at least 2 and `riseShare` is over 0 and under 1
 */
export function oneCycle(options: {
  readonly peak: number;
  readonly numSteps: number;
  /** Default: 0.3. */
  readonly riseShare?: number | undefined;
  /** Default: 25. */
  readonly startDivisor?: number | undefined;
  /** Default: 10,000. */
  readonly endDivisor?: number | undefined;
  /** Default: "cosine". */
  readonly shape?: "cosine" | "linear" | undefined;
}): LearningRateSchedule {
  const { peak, numSteps, riseShare = 0.3, startDivisor = 25, endDivisor = 1e4, shape = "cosine" } = options;
  checkSteps("numSteps", numSteps, 2);
  if (!(riseShare > 0 && riseShare < 1))
    throw new OptionError(
      `riseShare of a learning-rate schedule must be over 0 and under 1; got ${riseShare}`,
    );
  const start = peak / startDivisor;
  const end = start / endDivisor;
  const peakStep = riseShare * numSteps - 1;
  const between = (from: number, to: number, share: number): number =>
    shape === "linear"
      ? from + (to - from) * share
      : to + ((from - to) * (1 + Math.cos(Math.PI * share))) / 2;
  return (step) => {
    if (step >= numSteps - 1) return end;
    return step <= peakStep
      ? between(start, peak, step / peakStep)
      : between(peak, end, (step - peakStep) / (numSteps - 1 - peakStep));
  };
}

function checkSteps(name: string, numSteps: number, least: number): void {
  if (!Number.isInteger(numSteps) || numSteps < least)
    throw new OptionError(
      `${name} of a learning-rate schedule must be a whole number of at least ${least}; got ${numSteps}`,
    );
}
