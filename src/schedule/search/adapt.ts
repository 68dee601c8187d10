import { peakActivations } from "../program/peak-activations.ts";
import type { Program } from "../program/program.ts";
import { ScheduleError } from "../program/schedule-error.ts";
import type { SearchResult } from "./improve.ts";
import { type SearchOptions, searchSchedule } from "./search.ts";

/** What a program is adapted to. */
export interface AdaptOptions extends Pick<SearchOptions, "cost" | "numTrials" | "seed"> {
  /** The most micro-batches of a stage that a rank may hold; as many as the program needs unless given. */
  readonly maxActivations?: number | undefined;
}

/**
 * A program with the same stages on the same ranks, whose order suits the given costs, links and memory. Unless
 * `maxActivations` is smaller than the program needs, it is never slower than the program.
 * @throws ScheduleError `INVALID_PROGRAM` for a program with communication or of forwards only, `INVALID_COST`, and
 * `INVALID_PLAN` when a rank may hold fewer micro-batches than it has stages
 */
export function adaptProgram(program: Program, { maxActivations, ...options }: AdaptOptions): SearchResult {
  if (program.forwardOnly || program.communication !== "none") {
    throw new ScheduleError(
      "INVALID_PROGRAM",
      `adapt ${program.schedule}: the program must be of a training step and have computations only; got ` +
        `${program.forwardOnly ? "forwards only" : `${program.communication} communication`}; adapt it before lowering`,
    );
  }
  const { program: found, simulation } = searchSchedule({
    ...options,
    placement: program.placement,
    maxActivations: maxActivations ?? Math.max(...peakActivations(program)),
    starts: [program],
  });
  return { program: { ...found, schedule: `${program.schedule}-adapted` }, simulation };
}
