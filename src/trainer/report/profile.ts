import { familyOf } from "../../models/families.ts";
import { makespanOf, type Profile, profileOf, type Timeline } from "../../schedule/index.ts";
import { bytesPerElement } from "../../tensor/dtype.ts";
import { modelContextOf, numStages, scheduleName, type TrainConfig } from "../config/config.ts";

/** What the computations of a run took, from the timelines of its last steps, for the simulator and the planner. */
export function profileOfRun(config: TrainConfig, timelines: readonly Timeline[]): Profile {
  const { pipeline, model, training } = config;
  const stepsMs = timelines.map(makespanOf).sort((a, b) => a - b);
  const { microBatchSize, sequenceLength, dtype } = training;
  const tokens = microBatchSize * sequenceLength;
  const shape = {
    schedule: scheduleName(pipeline),
    numRanks: pipeline.ranks,
    numStages: numStages(pipeline),
    numMicroBatches: pipeline.microBatches,
    stepMs: stepsMs[stepsMs.length >> 1]!,
    link: { latency: 0 },
    microBatch: { tokens, flops: tokens * familyOf(model).flopsPerToken(model, modelContextOf(config)) },
  };
  const activationBytes = tokens * model.hiddenSize * bytesPerElement(dtype);
  return profileOf(timelines, shape, activationBytes);
}
