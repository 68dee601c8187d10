import { makespanOf, type Profile, profileOf, type Timeline } from "../../schedule/index.ts";
import { bytesPerElement } from "../../tensor/dtype.ts";
import { numStages, scheduleName, type TrainConfig } from "../config/config.ts";

/** What the computations of a run took, from the timelines of its last steps, for the simulator and the planner. */
export function profileOfRun(
  { pipeline, model, training }: TrainConfig,
  timelines: readonly Timeline[],
): Profile {
  const stepsMs = timelines.map(makespanOf).sort((a, b) => a - b);
  const shape = {
    schedule: scheduleName(pipeline),
    numRanks: pipeline.ranks,
    numStages: numStages(pipeline),
    numMicroBatches: pipeline.microBatches,
    stepMs: stepsMs[stepsMs.length >> 1]!,
    link: { latency: 0 },
  };
  const { microBatchSize, sequenceLength, dtype } = training;
  const activationBytes = microBatchSize * sequenceLength * model.hiddenSize * bytesPerElement(dtype);
  return profileOf(timelines, shape, activationBytes);
}
