import type { ModelContext } from "../../models/model-family.ts";
import { findSchedule } from "../../schedule/schedules/registry.ts";
import { BatchShape } from "../data/batch-shape.ts";
import { programOf } from "./schedule-file.ts";
import type { TrainConfig } from "./schema.ts";

/** The number of stages that the model is cut into. */
export function numStages({ schedule, ranks }: TrainConfig["pipeline"]): number {
  return typeof schedule === "string"
    ? ranks * findSchedule(schedule).constraints.stagesPerRank.atLeast
    : programOf(schedule).numStages;
}

/** The number of ranks in all replicas. */
export function numRanks({ ranks, replicas }: TrainConfig["pipeline"]): number {
  return ranks * replicas;
}

/** What the configuration says about the model outside of its own section. */
export function modelContextOf({ data, training }: TrainConfig): ModelContext {
  return { vocabSize: data.vocabSize, contextLength: training.sequenceLength, dtype: training.dtype };
}

/** The batch of a step over all replicas. */
export function batchShapeOf({ pipeline, training }: TrainConfig): BatchShape {
  return new BatchShape({
    numMicroBatches: pipeline.replicas * pipeline.microBatches,
    microBatchSize: training.microBatchSize,
    sequenceLength: training.sequenceLength,
  });
}
