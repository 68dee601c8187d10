import { stagesOfRank } from "../../engine/pipeline.ts";
import { checkSizes, findSchedule, ScheduleError } from "../../schedule/index.ts";
import type { ConfigIssue } from "./config-error.ts";
import type { TrainConfig } from "./schema.ts";

/** What single keys cannot tell: values that do not go together, each with the values that would. */
export function checkRules(config: TrainConfig): readonly ConfigIssue[] {
  return [
    ...scheduleIssues(config),
    ...modelIssues(config),
    ...tieIssues(config),
    ...learningRateIssues(config),
    ...sampleIssues(config),
  ];
}

/** Stages that the model is cut into. */
export function numStages({ schedule, ranks }: TrainConfig["pipeline"]): number {
  return ranks * findSchedule(schedule).constraints.stagesPerRank.atLeast;
}

/** Of all replicas together. */
export function numRanks({ ranks, replicas }: TrainConfig["pipeline"]): number {
  return ranks * replicas;
}

function scheduleIssues({ pipeline }: Pick<TrainConfig, "pipeline">): readonly ConfigIssue[] {
  const { schedule, ranks, microBatches } = pipeline;
  try {
    checkSizes(schedule, findSchedule(schedule).constraints, {
      numRanks: ranks,
      numMicroBatches: microBatches,
    });
    return [];
  } catch (error) {
    if (!(error instanceof ScheduleError)) {
      throw error;
    }
    return [{ path: "pipeline", problem: error.problem }];
  }
}

function modelIssues({ model, pipeline }: TrainConfig): readonly ConfigIssue[] {
  const issues: ConfigIssue[] = [];
  const { hiddenSize, numHeads, numLayers } = model;
  if (hiddenSize % numHeads !== 0) {
    const below = hiddenSize - (hiddenSize % numHeads);
    const remedy = below === 0 ? `${numHeads}` : `${below} or ${below + numHeads}`;
    issues.push({
      path: "model.hiddenSize",
      problem: `must be divisible by model.numHeads; got ${hiddenSize} with ${numHeads} heads; use ${remedy}`,
    });
  }
  const stages = numStages(pipeline);
  if (numLayers < stages) {
    issues.push({
      path: "model.numLayers",
      problem: `must be at least 1 for each of the ${stages} stages of ${pipeline.schedule} with ${pipeline.ranks} ranks; got ${numLayers}; use ${stages}, or fewer pipeline.ranks`,
    });
  }
  return issues;
}

/** A tied head and its embedding are one parameter, of which a rank cannot have half. */
function tieIssues({ model, pipeline }: TrainConfig): readonly ConfigIssue[] {
  const { schedule, ranks } = pipeline;
  if (!model.tieEmbeddings || scheduleIssues({ pipeline }).length > 0) return [];
  const held = stagesOfRank(schedule, ranks, 0);
  if (held.includes(0) && held.includes(numStages(pipeline) - 1)) return [];
  return [
    {
      path: "model.tieEmbeddings",
      problem: `must be false with ${schedule} on ${ranks} ranks, which puts the first and the last stage on different ranks; got true; use false`,
    },
  ];
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
      problem: `must be under training.steps; got ${warmupSteps} with ${training.steps} steps; use ${Math.floor(training.steps / 10)}`,
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
      problem: `must be at most data.vocabSize; got ${sample.topK} with ${data.vocabSize} tokens; use 0 to choose among all`,
    },
  ];
}
