import { closestName, didYouMean } from "../../errors/suggestion.ts";
import { type Placement, placementKey } from "../program/placement.ts";
import type { Program } from "../program/program.ts";
import { ScheduleError } from "../program/schedule-error.ts";
import { checkSizes, type ProgramSizes, sizeProblem } from "../program/sizes.ts";
import { type ScheduleDefinition, stagesPerRankFor } from "./definition.ts";
import { dualpipe } from "./dualpipe.ts";
import { dualpipev } from "./dualpipev.ts";
import { gpipe } from "./gpipe.ts";
import { interleaved, interleavedZeroBubble, loopedBreadthFirst } from "./interleaved.ts";
import { oneFOneB } from "./one-f-one-b.ts";
import { vHalf, vMin } from "./v-patterns.ts";
import { zbv } from "./zbv.ts";
import { zb1p, zb2p } from "./zero-bubble.ts";

/** Every named schedule. */
export const schedules: readonly ScheduleDefinition[] = [
  gpipe,
  oneFOneB,
  loopedBreadthFirst,
  interleaved,
  interleavedZeroBubble,
  zb1p,
  zb2p,
  zbv,
  vMin,
  vHalf,
  dualpipe,
  dualpipev,
];

/** @throws ScheduleError `UNKNOWN_SCHEDULE` with the names that exist. */
export function findSchedule(name: string): ScheduleDefinition {
  const found = schedules.find((schedule) => schedule.name === name);
  if (found) return found;
  const names = schedules.map((schedule) => schedule.name);
  const advice = didYouMean(closestName(name, names)) || "; choose one of them";
  throw new ScheduleError(
    "UNKNOWN_SCHEDULE",
    `schedule: the name must be one of ${names.join(", ")}; got ${JSON.stringify(name.slice(0, 40))}${advice}`,
  );
}

/**
 * The program of a named schedule, computations only.
 * @throws ScheduleError `UNKNOWN_SCHEDULE` or `INVALID_SIZES`
 */
export function buildProgram(name: string, sizes: ProgramSizes): Program {
  const schedule = findSchedule(name);
  checkSizes(schedule.title, schedule.constraints, sizes);
  return schedule.generate(sizes);
}

/**
 * The program of a named schedule with the communication of its reference implementation: in batches that computations
 * wait for.
 * @throws ScheduleError `UNKNOWN_SCHEDULE`, also when the schedule has no such implementation, or `INVALID_SIZES`
 */
export function buildReferenceOrder(name: string, sizes: ProgramSizes): Program {
  const schedule = findSchedule(name);
  checkSizes(schedule.title, schedule.constraints, sizes);
  if (schedule.generateReferenceOrder) return schedule.generateReferenceOrder(sizes);
  const names = schedules.filter((other) => other.generateReferenceOrder).map((other) => other.name);
  throw new ScheduleError(
    "UNKNOWN_SCHEDULE",
    `${schedule.title}: must have a reference implementation for its order of communication; only ${names.join(", ")} ` +
      `have one; use the eager order`,
  );
}

/** The programs of all named schedules that put the same stages on the same ranks. */
export function programsWithPlacement(placement: Placement): Program[] {
  const { numRanks, numStages, directionOfMicroBatch } = placement;
  return schedules.flatMap((schedule) => {
    const stagesPerRank = stagesPerRankFor(schedule, numStages, numRanks);
    const sizes = { numRanks, numMicroBatches: directionOfMicroBatch.length, stagesPerRank };
    if (sizeProblem(schedule.constraints, sizes) !== undefined) return [];
    const isSame = placementKey(schedule.placement(sizes)) === placementKey(placement);
    return isSame ? [schedule.generate(sizes)] : [];
  });
}
