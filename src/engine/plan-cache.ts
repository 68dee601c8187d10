import { counted } from "../errors/counted.ts";
import { lower } from "../schedule/lower/lower.ts";
import type { Placement } from "../schedule/program/placement.ts";
import { forwardPart, type Program } from "../schedule/program/program.ts";
import { ScheduleError } from "../schedule/program/schedule-error.ts";
import { nearestAllowed } from "../schedule/program/sizes.ts";
import { buildProgram, findSchedule } from "../schedule/schedules/registry.ts";
import { assertVerified } from "../schedule/verify/verify.ts";
import { completionOrder, planRank, type RankPlan } from "./rank-plan.ts";

/** A named schedule, which has a program for every number of micro-batches, or one program, as read from a CSV. */
export interface ScheduleChoice {
  readonly schedule: string | Program;
  /** For interleaved schedules. */
  readonly stagesPerRank?: number | undefined;
}

/** What a rank does in a step of one size. */
export interface PlannedStep {
  readonly program: Program;
  readonly plan: RankPlan;
  /** The order in which stages complete their weight gradients, for each rank that holds the same stages. */
  readonly completionOrders: ReadonlyMap<number, readonly number[]>;
}

/** The verified, lowered programs of one rank with its plans, made when a step of their size is first run. */
export class PlanCache {
  readonly placement: Placement;
  /** The ranks that hold the same stages as this one, itself included, in ascending order; two under two directions. */
  readonly ranksOfStages: readonly number[];
  readonly #choice: ScheduleChoice;
  readonly #numRanks: number;
  readonly #rank: number;
  readonly #made = new Map<string, PlannedStep>();

  /** @throws ScheduleError */
  constructor(choice: ScheduleChoice, numRanks: number, rank: number) {
    this.placement = placementOf(choice, numRanks);
    this.ranksOfStages = ranksWithStagesOf(this.placement, rank);
    this.#choice = choice;
    this.#numRanks = numRanks;
    this.#rank = rank;
  }

  /** @throws ScheduleError when there is no program of this size, or it could not run. */
  of(numMicroBatches: number, forwardOnly: boolean): PlannedStep {
    const key = `${numMicroBatches}:${forwardOnly}`;
    let made = this.#made.get(key);
    if (made === undefined) {
      made = this.#make(numMicroBatches, forwardOnly);
      this.#made.set(key, made);
    }
    return made;
  }

  #make(numMicroBatches: number, forwardOnly: boolean): PlannedStep {
    const program = this.#program(numMicroBatches, forwardOnly);
    // Every transport buffers sends. Our own programs would also pass with sends that wait for their receive.
    assertVerified(program, { sends: "buffered" });
    const plans = new Map(this.ranksOfStages.map((rank) => [rank, planRank(program, rank)]));
    return {
      program,
      plan: plans.get(this.#rank)!,
      completionOrders: new Map([...plans].map(([rank, plan]) => [rank, completionOrder(plan)])),
    };
  }

  #program(numMicroBatches: number, forwardOnly: boolean): Program {
    const { schedule } = this.#choice;
    if (typeof schedule === "string")
      return lower(
        buildProgram(schedule, sizesOf(this.#choice, this.#numRanks, numMicroBatches, forwardOnly)),
      );
    if (schedule.numMicroBatches !== numMicroBatches)
      throw new ScheduleError(
        "INVALID_SIZES",
        `program ${schedule.schedule}: it is for ${counted(schedule.numMicroBatches, "micro-batch")}; got ${numMicroBatches}; use ${schedule.numMicroBatches}`,
      );
    if (forwardOnly) return lower(forwardPart(schedule));
    return schedule.communication === "none" ? lower(schedule) : schedule;
  }
}

/**
 * Which rank holds which stage. It does not depend on the number of micro-batches; only the number that goes in each
 * direction does.
 */
export function placementOf(choice: ScheduleChoice, numRanks: number): Placement {
  const { schedule } = choice;
  if (typeof schedule === "string") {
    const numMicroBatches = nearestAllowed(findSchedule(schedule).constraints.microBatches, 1, numRanks);
    return buildProgram(schedule, sizesOf(choice, numRanks, numMicroBatches, false)).placement;
  }
  if (schedule.numRanks !== numRanks)
    throw new ScheduleError(
      "INVALID_SIZES",
      `program ${schedule.schedule}: it is for ${counted(schedule.numRanks, "rank")}; got ${numRanks}; start ${schedule.numRanks}`,
    );
  return schedule.placement;
}

function sizesOf(
  { stagesPerRank }: ScheduleChoice,
  numRanks: number,
  numMicroBatches: number,
  forwardOnly: boolean,
) {
  return {
    numRanks,
    numMicroBatches,
    forwardOnly,
    ...(stagesPerRank === undefined ? {} : { stagesPerRank }),
  };
}

/** Under two directions a rank and its mirror hold the same two stages, one stage per direction. */
function ranksWithStagesOf({ rankOfStage: [down, up] }: Placement, rank: number): readonly number[] {
  if (down === undefined || up === undefined) return [rank];
  const mirror = up[down.indexOf(rank)]!;
  return [rank, mirror].sort((a, b) => a - b);
}
