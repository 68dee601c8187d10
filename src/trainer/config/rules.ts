import { stagesOfRank } from "../../engine/pipeline.ts";
import { familyOf } from "../../models/families.ts";
import type { ModelCut } from "../../models/model-family.ts";
import { checkSizes, findSchedule, ScheduleError } from "../../schedule/index.ts";
import type { ConfigIssue } from "./config-error.ts";
import type { TrainConfig } from "./schema.ts";
import { numStages } from "./sizes.ts";

/** Finds values that are fine alone but do not go together, and says which values would. */
export function checkRules(config: TrainConfig): readonly ConfigIssue[] {
  return [
    ...scheduleIssues(config),
    ...modelIssues(config),
    ...learningRateIssues(config),
    ...sampleIssues(config),
  ];
}

function scheduleIssues({ pipeline }: TrainConfig): readonly ConfigIssue[] {
  const { schedule, ranks, microBatches } = pipeline;
  try {
    const { title, constraints } = findSchedule(schedule);
    checkSizes(title, constraints, { numRanks: ranks, numMicroBatches: microBatches });
    return [];
  } catch (error) {
    if (!(error instanceof ScheduleError)) throw error;
    return [{ path: "pipeline", problem: error.problem }];
  }
}

function modelIssues(config: TrainConfig): readonly ConfigIssue[] {
  const issues = familyOf(config.model).rules(config.model, modelCutOf(config));
  return issues.map(({ key, problem }) => ({ path: `model.${key}`, problem }));
}

function modelCutOf(config: TrainConfig): ModelCut {
  const { schedule, ranks } = config.pipeline;
  const numModelStages = numStages(config.pipeline);
  // Only a schedule that accepts the sizes says which rank holds which stage.
  const held = scheduleIssues(config).length > 0 ? undefined : stagesOfRank(schedule, ranks, 0);
  return {
    numStages: numModelStages,
    endsShareRank: held === undefined || (held.includes(0) && held.includes(numModelStages - 1)),
    layout: `${schedule} with ${ranks} ranks`,
  };
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
      problem: `must be below training.steps; got ${warmupSteps} with ${training.steps} steps; use ${Math.floor(training.steps / 10)}`,
    });
  }
  const { kind } = learningRateSchedule;
  if (kind !== "constant" && learningRateSchedule.minLearningRate > optimizer.learningRate) {
    issues.push({
      path: "learningRateSchedule.minLearningRate",
      problem: `must be at most optimizer.learningRate; got ${learningRateSchedule.minLearningRate} with ${optimizer.learningRate}; use ${optimizer.learningRate / 10}`,
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
    },
  ];
}
