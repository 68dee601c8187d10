import { counted } from "../../errors/counted.ts";
import { familyOf } from "../../models/families.ts";
import type { ModelCut } from "../../models/model-family.ts";
import { ScheduleError } from "../../schedule/program/schedule-error.ts";
import { checkSizes } from "../../schedule/program/sizes.ts";
import { findSchedule } from "../../schedule/schedules/registry.ts";
import type { ConfigIssue } from "./config-error.ts";
import { modelCutOf } from "./fitting-defaults.ts";
import { programProblem } from "./program-rules.ts";
import type { TrainConfig } from "./schema.ts";
import { numStages } from "./sizes.ts";

/** Finds values that are fine alone but do not go together, and says which values would. */
export function checkRules(config: TrainConfig): readonly ConfigIssue[] {
  return [
    ...scheduleIssues(config),
    ...modelIssues(config),
    ...learningRateIssues(config),
    ...sampleIssues(config),
    ...validationIssues(config),
  ];
}

const SIZE_KEYS = ["pipeline.schedule", "pipeline.ranks", "pipeline.microBatches"];

function scheduleIssues({ pipeline }: TrainConfig): readonly ConfigIssue[] {
  const { schedule, ranks, microBatches } = pipeline;
  if (typeof schedule !== "string") {
    const problem = programProblem(schedule, ranks, microBatches);
    return problem === undefined ? [] : [{ path: "pipeline", problem, keys: SIZE_KEYS }];
  }
  try {
    const { title, constraints } = findSchedule(schedule);
    checkSizes(title, constraints, { numRanks: ranks, numMicroBatches: microBatches });
    return [];
  } catch (error) {
    if (!(error instanceof ScheduleError)) throw error;
    return [{ path: "pipeline", problem: error.problem, keys: SIZE_KEYS }];
  }
}

function modelIssues(config: TrainConfig): readonly ConfigIssue[] {
  const issues = familyOf(config.model).rules(config.model, cutOf(config));
  return issues.map(({ key, problem, with: others }) => {
    const path = `model.${key}`;
    return { path, problem, keys: [path, ...others] };
  });
}

function cutOf({ pipeline }: TrainConfig): ModelCut {
  // Only a schedule that accepts the sizes says which rank holds which stage.
  return (
    modelCutOf(pipeline) ?? { numStages: numStages(pipeline), endsShareRank: true, layout: "this pipeline" }
  );
}

function learningRateIssues({
  training,
  optimizer,
  learningRateSchedule,
}: TrainConfig): readonly ConfigIssue[] {
  const issues: ConfigIssue[] = [];
  const { warmupSteps } = learningRateSchedule;
  if (warmupSteps >= training.steps) {
    issues.push({
      path: "learningRateSchedule.warmupSteps",
      problem: `must be below training.steps; got ${warmupSteps} with ${counted(training.steps, "step")}; use ${Math.floor(training.steps / 10)}`,
      keys: ["learningRateSchedule.warmupSteps", "training.steps"],
    });
  }
  const { kind } = learningRateSchedule;
  if (kind !== "constant" && learningRateSchedule.minLearningRate > optimizer.learningRate) {
    issues.push({
      path: "learningRateSchedule.minLearningRate",
      problem: `must be at most optimizer.learningRate; got ${learningRateSchedule.minLearningRate} with ${optimizer.learningRate}; use ${optimizer.learningRate / 10}`,
      keys: ["learningRateSchedule.minLearningRate", "optimizer.learningRate"],
    });
  }
  return issues;
}

function sampleIssues({ sample, data }: TrainConfig): readonly ConfigIssue[] {
  if (sample.topK <= data.vocabSize) {
    return [];
  }
  return [
    {
      path: "sample.topK",
      problem: `must be at most data.vocabSize; got ${sample.topK} with ${data.vocabSize} tokens; use 0 to sample from all tokens`,
      keys: ["sample.topK", "data.vocabSize"],
    },
  ];
}

function validationIssues({ data, validation }: TrainConfig): readonly ConfigIssue[] {
  if (data.validationFraction > 0 || validation.everySteps === 0) return [];
  return [
    {
      path: "data.validationFraction",
      problem: `must be a number over 0 and under 1; got 0; use 0.05, or turn validation off with validation.everySteps=0`,
      keys: ["data.validationFraction", "validation.everySteps"],
    },
  ];
}
