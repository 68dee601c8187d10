import { counted } from "../../errors/counted.ts";
import { lower } from "../lower/lower.ts";
import { peakActivations } from "../program/peak-activations.ts";
import { type Placement, placementKey } from "../program/placement.ts";
import type { Program } from "../program/program.ts";
import { ScheduleError } from "../program/schedule-error.ts";
import { checkSizes, sizeProblem } from "../program/sizes.ts";
import { stagesPerRankFor } from "../schedules/definition.ts";
import { findSchedule, programsWithPlacement, schedules } from "../schedules/registry.ts";
import type { SearchResult } from "../search/improve.ts";
import { searchSchedule } from "../search/search.ts";
import { costOf, type Profile } from "../simulate/profile.ts";
import { simulate } from "../simulate/simulate.ts";

/** A schedule at the costs of a profile. */
export interface ProfiledRun {
  readonly schedule: string;
  readonly numRanks: number;
  readonly stepMs: number;
  readonly bubbleRatio: number;
  readonly peakActivations: number;
}

export interface MeasuredPlan {
  /** The predicted and the measured time of the profiled step. */
  readonly predictedMs: number;
  readonly measuredMs: number;
  /** The fastest first. */
  readonly runs: readonly ProfiledRun[];
  readonly lost: readonly { readonly schedule: string; readonly reason: string }[];
  /** The fastest program that the search found. */
  readonly searchedProgram?: Program;
}

const NUM_TRIALS = 200;

/** The predicted time of the profiled step, by the same simulation as every other prediction. */
function predictProfiled(profile: Profile): number {
  const { schedule, numRanks, numStages, numMicroBatches } = profile;
  const definition = schedules.find(({ name }) => name === schedule);
  if (definition === undefined) {
    throw new ScheduleError(
      "UNKNOWN_SCHEDULE",
      `profile: only a named schedule can be predicted; got ${schedule}; profile one of ` +
        schedules.map(({ name }) => name).join(", "),
    );
  }
  const stagesPerRank = stagesPerRankFor(definition, numStages, numRanks);
  const sizes = { numRanks, numMicroBatches, stagesPerRank };
  checkSizes(definition.title, definition.constraints, sizes);
  return simulate(lower(definition.generate(sizes)), costOf(profile)).makespan;
}

function stageProblem(placement: Placement, numProfiled: number): string | undefined {
  if (placement.numStages === numProfiled) return undefined;
  return `needs ${counted(placement.numStages, "stage")}; profiled: ${numProfiled}`;
}

/**
 * Every schedule that suits the profiled stages and ranks, and a searched program for each placement, simulated at
 * the measured costs.
 * @throws ScheduleError `UNKNOWN_SCHEDULE` when the profile is of a program from a file
 */
export function planFromProfile(profile: Profile, numMicroBatches = profile.numMicroBatches): MeasuredPlan {
  const cost = costOf(profile);
  const runs: ProfiledRun[] = [];
  const lost: { schedule: string; reason: string }[] = [];
  const placements = new Map<string, Placement>();
  const { numRanks, numStages } = profile;
  for (const schedule of schedules) {
    const { name, constraints } = schedule;
    const stagesPerRank = stagesPerRankFor(schedule, numStages, numRanks);
    const sizes = { numRanks, numMicroBatches, stagesPerRank };
    const problem = sizeProblem(constraints, sizes) ?? stageProblem(schedule.placement(sizes), numStages);
    if (problem !== undefined) {
      lost.push({ schedule: name, reason: problem });
      continue;
    }
    const program = schedule.generate(sizes);
    const { makespan, bubbleRatio } = simulate(lower(program), cost);
    const peak = Math.max(...peakActivations(program));
    runs.push({ schedule: name, numRanks, stepMs: makespan, bubbleRatio, peakActivations: peak });
    placements.set(placementKey(program.placement), program.placement);
  }
  let best: SearchResult | undefined;
  for (const placement of placements.values()) {
    // As many as the named schedules hold, but for those that hold all micro-batches.
    const limits = programsWithPlacement(placement)
      .filter(({ schedule }) => !findSchedule(schedule).holdsAllActivations)
      .map((program) => Math.max(...peakActivations(program)));
    const maxActivations = Math.max(...limits);
    const found = searchSchedule({ placement, cost, maxActivations, numTrials: NUM_TRIALS });
    const { program, simulation } = found;
    if (best === undefined || simulation.makespan < best.simulation.makespan) best = found;
    runs.push({
      schedule: "searched",
      numRanks: placement.numRanks,
      stepMs: simulation.makespan,
      bubbleRatio: simulation.bubbleRatio,
      peakActivations: Math.max(...peakActivations(program)),
    });
  }
  return {
    predictedMs: predictProfiled(profile),
    measuredMs: profile.stepMs,
    runs: runs.toSorted((a, b) => a.stepMs - b.stepMs),
    lost,
    ...(best && { searchedProgram: best.program }),
  };
}
