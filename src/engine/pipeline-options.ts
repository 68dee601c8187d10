import { Module } from "../nn/module.ts";
import { stagesOf } from "../schedule/program/placement.ts";
import type { Program } from "../schedule/program/program.ts";
import { describeValue } from "../tensor/argument.ts";
import type { ProcessGroup } from "../transport/process-group.ts";
import { StepError } from "./errors/step-error.ts";
import { placementOf, type ScheduleChoice } from "./plan-cache.ts";
import type { Recorder } from "./record/recorder.ts";
import type { StageModule } from "./stage/stage.ts";
import type { StepObserver } from "./step-observer.ts";

/**
 * Modules by stage: a Map, pairs of a stage and its module, or an object with the stages as keys. TypeScript makes a
 * `new Map` of one class only, unless it is told to: `new Map<number, StageModule>(...)`.
 */
export type ModulesByStage =
  | Iterable<readonly [stage: number, module: StageModule]>
  | Readonly<Record<number, StageModule>>;

export interface PipelineOptions {
  /** A schedule's name, such as `dualpipe`, or a program of its own, such as one read from a CSV. */
  readonly schedule: string | Program;
  /** For interleaved schedules, which leave a choice. */
  readonly stagesPerRank?: number | undefined;
  /** The modules of this rank, by stage, such as `[[0, head], [3, tail]]`. */
  readonly modules: ModulesByStage;
  readonly processGroup: ProcessGroup;
  /** The dimension along which a batch is cut into micro-batches. */
  readonly batchDim?: number | undefined;
  /**
   * Equal pipelines side by side, each with micro-batches of its own, whose gradients are summed (data parallelism).
   * Replica `k` of pipelines of `P` ranks has the ranks from `k P` on.
   */
  readonly numReplicas?: number | undefined;
  /**
   * Whether a parameter that several ranks hold is updated by one of them, its owner: it alone gets the summed gradient
   * and needs an optimizer, and `shareUpdates` gives the others the new value. Otherwise all get the sum.
   */
  readonly shardUpdates?: boolean | undefined;
  /** The position of each rank of the process group in the pipelines; the same numbers by default. */
  readonly rankMapping?: readonly number[] | undefined;
  /**
   * Whether a step on cards is launched as one CUDA graph: worth it for small layers (step-graphs.ts). Gradients are
   * then the graph's own tensors, which the next step overwrites and `dispose` frees. A recorder sees only
   * the steps with `isRecorded`, which run without a graph.
   */
  readonly useGraphs?: boolean | undefined;
  readonly recorder?: Recorder | undefined;
  /** Hears what happens in each step, such as that the gradients of a stage are complete. */
  readonly observer?: StepObserver | undefined;
}

/** The modules in the order in which they were given. @throws StepError for what is no module, or two of one stage */
export function mapOfModules(rank: number, modules: ModulesByStage): ReadonlyMap<number, StageModule> {
  const isRecord = !(Symbol.iterator in modules) || (Array.isArray(modules) && !Array.isArray(modules[0]));
  const pairs = isRecord
    ? Object.entries(modules).map(([stage, module]) => [Number(stage), module] as const)
    : [...(modules as Iterable<readonly [number, StageModule]>)];
  const byStage = new Map(pairs);
  const wrong = pairs.find(([, module]) => !(module instanceof Module));
  if (wrong !== undefined || byStage.size !== pairs.length)
    throw new StepError(
      "INVALID_INPUT",
      { rank },
      "modules must give one module for each stage of the rank, such as [[0, head], [3, tail]]; got " +
        (wrong === undefined
          ? `the stages ${pairs.map(([stage]) => stage)}`
          : `${describeValue(wrong[1])} for stage ${wrong[0]}`),
    );
  return byStage;
}

/** The number of stages that a model is cut into. @throws ScheduleError */
export function numStagesOf(schedule: string | Program, numRanks: number, stagesPerRank?: number): number {
  return placementOf(choiceOf(schedule, stagesPerRank), numRanks).numStages;
}

/** The stages that a rank must have modules for, in ascending order. @throws ScheduleError */
export function stagesOfRank(
  schedule: string | Program,
  numRanks: number,
  rank: number,
  stagesPerRank?: number,
): number[] {
  return stagesOf(placementOf(choiceOf(schedule, stagesPerRank), numRanks), rank);
}

function choiceOf(schedule: string | Program, stagesPerRank: number | undefined): ScheduleChoice {
  return stagesPerRank === undefined ? { schedule } : { schedule, stagesPerRank };
}

/** @throws StepError unless there is one module for each stage that the schedule puts on this rank. */
export function checkStages(
  rank: number,
  modules: ReadonlyMap<number, StageModule>,
  wanted: readonly number[],
): void {
  const stages = [...modules.keys()];
  if (String(stages.toSorted((a, b) => a - b)) !== String(wanted))
    throw new StepError(
      "INVALID_INPUT",
      { rank },
      `the schedule puts the stages ${wanted.join(" and ")} here; got modules for ${stages.join(" and ")}`,
    );
}
