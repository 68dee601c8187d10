import type { Placement } from "../program/placement.ts";
import { findSchedule } from "../schedules/registry.ts";
import type { CostModel } from "../simulate/cost.ts";
import type { MemoryModel } from "../simulate/memory.ts";
import { type PlannedRun, type PlanRequest, stageParameterBytes, stagesWithLayers } from "./candidate.ts";

/** What a step of a planned run is simulated with. */
export interface PlannedStep {
  /** In seconds and bytes. */
  readonly cost: CostModel;
  /** In bytes. */
  readonly memory: MemoryModel;
}

/**
 * The costs and the memory of each stage of a planned run, for `simulate` and `memoryOverTime`.
 * @param placement Of the run called "searched", whose name is no schedule's.
 */
export function plannedStep(
  request: PlanRequest,
  run: PlannedRun,
  placement: Placement = findSchedule(run.schedule).placement(run),
): PlannedStep {
  const { stages, cost } = stagesWithLayers(request, run, run.layerCounts);
  const numDirections = placement.rankOfStage.length;
  // A rank recomputes one layer at a time, whatever it holds; its stages share the memory for that.
  const stagesOfRank = (stages.length * numDirections) / placement.numRanks;
  const workspace = Math.max(...stages.map((stage) => stage.workspaceBytes)) / stagesOfRank;
  return {
    cost,
    memory: {
      weights: stages.map((stage) => stageParameterBytes(stage, run, numDirections) + workspace),
      activations: stages.map((stage) => stage.activationBytes),
    },
  };
}
