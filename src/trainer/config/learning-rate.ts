import {
  afterWarmup,
  constant,
  type LearningRateSchedule,
  linear,
  warmupCosine,
} from "../../optim/learning-rates.ts";
import type { TrainConfig } from "./config.ts";

/** The learning rate of each step of a run. */
export function learningRateOf(config: TrainConfig): LearningRateSchedule {
  const { optimizer, learningRateSchedule: given, training } = config;
  const peak = optimizer.learningRate;
  const numWarmupSteps = given.warmupSteps;
  switch (given.kind) {
    case "cosine":
      return warmupCosine({ peak, minimum: given.minLearningRate, numWarmupSteps, numSteps: training.steps });
    case "linear": {
      const numSteps = Math.max(1, training.steps - numWarmupSteps);
      const schedule = linear({ from: peak, to: given.minLearningRate, numSteps });
      return afterWarmup({ peak, numWarmupSteps, schedule });
    }
    case "constant":
      return afterWarmup({ peak, numWarmupSteps, schedule: constant(peak) });
    default:
      return given satisfies never;
  }
}
