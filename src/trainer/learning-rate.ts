import { constant, type LearningRateSchedule, linear, warmupCosine } from "../optim/learning-rates.ts";
import type { TrainConfig } from "./config/config.ts";

/** The learning rate of each step of a run. */
export function learningRateOf({
  optimizer,
  learningRateSchedule,
  training,
}: TrainConfig): LearningRateSchedule {
  const { learningRate: peak } = optimizer;
  const { warmupSteps } = learningRateSchedule;
  switch (learningRateSchedule.kind) {
    case "cosine":
      return warmupCosine({
        peak,
        minimum: learningRateSchedule.minLearningRate,
        numWarmupSteps: warmupSteps,
        numSteps: training.steps,
      });
    case "linear":
      return afterWarmup(
        peak,
        warmupSteps,
        linear({
          from: peak,
          to: learningRateSchedule.minLearningRate,
          numSteps: Math.max(1, training.steps - warmupSteps),
        }),
      );
    case "constant":
      return afterWarmup(peak, warmupSteps, constant(peak));
    default:
      return learningRateSchedule satisfies never;
  }
}

function afterWarmup(
  peak: number,
  warmupSteps: number,
  schedule: LearningRateSchedule,
): LearningRateSchedule {
  return (step) => (step < warmupSteps ? (peak * (step + 1)) / warmupSteps : schedule(step - warmupSteps));
}
