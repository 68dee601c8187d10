import { lower } from "../lower/lower.ts";
import { peakActivations } from "../program/peak-activations.ts";
import type { Program } from "../program/program.ts";
import { findSchedule } from "../schedules/registry.ts";
import { searchSchedule } from "../search/search.ts";
import { simulate } from "../simulate/simulate.ts";
import { peakActivationBytes } from "./activation-bytes.ts";
import {
  activationRoom,
  finishRun,
  type PlannedRun,
  type PlanRequest,
  stagesWithLayers,
} from "./candidate.ts";

export interface SearchedRun {
  /** Absent when the search found nothing better. */
  readonly run?: PlannedRun;
  readonly program?: Program;
  readonly report: string;
}

/** The search simulates hundreds of programs, so it skips larger ones. */
const MAX_FORWARDS = 2048;
const NUM_TRIED = 3;

/** Looks for a better program at the sizes of the best runs of different placements. */
export function searchedRun(request: PlanRequest, fitting: readonly PlannedRun[]): SearchedRun {
  const winner = fitting[0]!;
  const tried = new Map<string, PlannedRun>();
  for (const run of fitting) {
    const numDirections = findSchedule(run.schedule).placement(run).rankOfStage.length;
    const key = [run.numRanks, run.layerCounts.length, numDirections].join();
    const numForwards = run.numMicroBatches * run.layerCounts.length;
    if (run.numRanks > 1 && numForwards <= MAX_FORWARDS && !tried.has(key)) tried.set(key, run);
    if (tried.size === NUM_TRIED) break;
  }
  if (tried.size === 0) {
    return { report: `not tried: no run that fits has several ranks and at most ${MAX_FORWARDS} forwards` };
  }
  const found = [...tried.values()]
    .map((run) => improveRun(request, run))
    .filter(({ run }) => run.peakBytes <= request.device.memoryBytes)
    .toSorted((a, b) => a.run.stepSeconds - b.run.stepSeconds)[0];
  if (found === undefined || found.run.stepSeconds >= winner.stepSeconds * (1 - 1e-6)) {
    return { report: `no better program than ${winner.schedule} found in ${tried.size} sizes` };
  }
  const gain = (100 * (1 - found.run.stepSeconds / winner.stepSeconds)).toFixed(2);
  return { ...found, report: `found a program that takes ${gain} % less time than ${winner.schedule}` };
}

function improveRun(request: PlanRequest, run: PlannedRun): { run: PlannedRun; program: Program } {
  const staged = stagesWithLayers(request, run, run.layerCounts);
  const placement = findSchedule(run.schedule).placement(run);
  const named = Math.max(...peakActivations(findSchedule(run.schedule).generate(run)));
  const { program } = searchSchedule({
    placement,
    cost: staged.cost,
    // Stages differ, so the run itself may hold more micro-batches of the smaller ones.
    maxActivations: Math.max(named, activationRoom(request, placement, staged.stages, run)),
    numTrials: 30,
  });
  const { makespan, work } = simulate(lower(program), staged.cost);
  const busySeconds = work.reduce((sum, time) => sum + time, 0) / work.length;
  const activationBytes = peakActivationBytes(program, staged.stages);
  const figures = { seconds: makespan, busySeconds, activationBytes };
  const searched = { ...run, schedule: "searched" };
  return { run: finishRun(request, searched, staged, placement, figures), program };
}
