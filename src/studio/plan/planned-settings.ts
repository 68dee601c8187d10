import {
  type PerStage,
  type PlannedRun,
  type PlanRequest,
  parseProgramCsv,
  plannedStep,
} from "../../schedule/index.ts";
import { DEFAULT_SETTINGS, type StepSettings } from "../view/settings.ts";

/** The name of a run in addresses: what tells it from the other runs of its request. */
export function keyOfRun({
  schedule,
  numRanks,
  stagesPerRank,
  microBatchSize,
  recompute,
  expertParallel = 1,
}: PlannedRun): string {
  const experts = expertParallel > 1 ? [`experts${expertParallel}`] : [];
  const again = recompute ? ["recompute"] : [];
  return [schedule, numRanks, stagesPerRank, microBatchSize, ...experts, ...again].join(".");
}

/**
 * The step of a planned run in milliseconds and GB, as a person would set it on the Design page.
 * @param program Of the run called "searched", in CSV.
 */
export function settingsOfRun(request: PlanRequest, run: PlannedRun, program?: string): StepSettings {
  const placement = program === undefined ? undefined : parseProgramCsv(program, run.schedule).placement;
  const { cost, memory } = plannedStep(request, run, placement);
  const { latency, bandwidth } = cost.link;
  return {
    ...DEFAULT_SETTINGS,
    ...{ schedule: run.schedule, numRanks: run.numRanks, numMicroBatches: run.numMicroBatches },
    stagesPerRank: run.stagesPerRank,
    costs: {
      ...{ F: listOf(cost.F, 1e3), I: listOf(cost.I, 1e3), W: listOf(cost.W, 1e3) },
      ...(cost.pairShare === undefined || cost.pairShare === 1 ? {} : { pairShare: String(cost.pairShare) }),
      ...(cost.FB === undefined ? {} : { FB: listOf(cost.FB, 1e3) }),
      link: listOf(latency, 1e3),
      bandwidth: listOf(bandwidth!, 1e-3),
      bytes: listOf(cost.activationBytes!, 1),
    },
    memory: { weights: listOf(memory.weights, 1e-9), activations: listOf(memory.activations, 1e-9) },
    ...(program === undefined ? {} : { program }),
  };
}

/** Values as a field takes them, one number where all are the same. */
function listOf(values: PerStage, factor: number): string {
  const texts = [values].flat().map((value) => String(Number((value * factor).toPrecision(6))));
  return new Set(texts).size === 1 ? texts[0]! : texts.join("/");
}
