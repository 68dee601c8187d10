import {
  afterWarmup,
  constant,
  cosine,
  type LearningRateSchedule,
  linear,
} from "../../optim/learning-rates.ts";
import type { TrainConfig } from "./config.ts";

/**
 * The learning rate of each step of a run; the first step is 0. The step after the warm-up has the peak, and the last
 * step has the minimum. When the two are the same step, it has the peak.
 */
export function learningRateOf(config: TrainConfig): LearningRateSchedule {
  const { optimizer, learningRateSchedule: given, training } = config;
  const peak = optimizer.learningRate;
  const numWarmupSteps = given.warmupSteps;
  const numSteps = training.steps - 1 - numWarmupSteps;
  const after = (schedule: LearningRateSchedule) => afterWarmup({ peak, numWarmupSteps, schedule });
  if (given.kind === "constant" || numSteps < 1) return after(constant(peak));
  const decay = { from: peak, to: given.minLearningRate, numSteps };
  switch (given.kind) {
    case "cosine":
      return after(cosine(decay));
    case "linear":
      return after(linear(decay));
    default:
      return given satisfies never;
  }
}
