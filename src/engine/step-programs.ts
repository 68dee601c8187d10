import {
  assertVerified,
  buildProgram,
  findSchedule,
  forwardPart,
  lower,
  nearestAllowed,
  type Placement,
  type Program,
  ScheduleError,
} from "../schedule/index.ts";
import { type PlannedComputation, planRank, type RankPlan } from "./plan.ts";

/** A named schedule, which has a program for every number of micro-batches, or one program, as read from a CSV. */
export interface ScheduleChoice {
  readonly schedule: string | Program;
  /** For interleaved schedules. */
  readonly stagesPerRank?: number;
}

/** What a rank does in a step of one size. */
export interface StepProgram {
  readonly program: Program;
  readonly plan: RankPlan;
  /** The stages whose backward a computation ends. */
  readonly lastBackward: ReadonlyMap<PlannedComputation, readonly number[]>;
  /** The stages in the order in which the mirror, if there is one, is done with their backwards. */
  readonly mirrorOrder: readonly number[];
}

/** The verified, lowered programs of one rank, made when a step of their size is first run. */
export class StepPrograms {
  readonly placement: Placement;
  /** The other rank that holds this rank's stages, under a schedule with two directions. */
  readonly mirror: number | undefined;
  readonly #choice: ScheduleChoice;
  readonly #numRanks: number;
  readonly #rank: number;
  readonly #made = new Map<string, StepProgram>();

  /** @throws ScheduleError */
  constructor(choice: ScheduleChoice, numRanks: number, rank: number) {
    this.placement = placementOf(choice, numRanks);
    this.mirror = mirrorOf(this.placement, rank);
    this.#choice = choice;
    this.#numRanks = numRanks;
    this.#rank = rank;
  }

  /** @throws ScheduleError when there is no program of this size, or it could not run. */
  of(numMicroBatches: number, forwardOnly: boolean): StepProgram {
    const key = `${numMicroBatches}:${forwardOnly}`;
    let made = this.#made.get(key);
    if (made === undefined) {
      made = this.#make(numMicroBatches, forwardOnly);
      this.#made.set(key, made);
    }
    return made;
  }

  #make(numMicroBatches: number, forwardOnly: boolean): StepProgram {
    const program = this.#program(numMicroBatches, forwardOnly);
    // No transport's send waits for its receive; our own programs would pass with sends that do, too.
    assertVerified(program, { sends: "buffered" });
    const plan = planRank(program, this.#rank);
    const mirrorPlan = this.mirror === undefined ? [] : planRank(program, this.mirror);
    return {
      program,
      plan,
      lastBackward: lastBackwards(plan),
      mirrorOrder: [...lastBackwards(mirrorPlan).values()].flat(),
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
        `${schedule.schedule}: this program is for ${schedule.numMicroBatches} micro-batches; got ${numMicroBatches}; use ${schedule.numMicroBatches}`,
      );
    if (forwardOnly) return lower(forwardPart(schedule));
    return schedule.communication === "none" ? lower(schedule) : schedule;
  }
}

/** Where the stages lie does not depend on the number of micro-batches, but for how many go each way. */
export function placementOf(choice: ScheduleChoice, numRanks: number): Placement {
  const { schedule } = choice;
  if (typeof schedule === "string") {
    const numMicroBatches = nearestAllowed(findSchedule(schedule).constraints.microBatches, 1, numRanks);
    return buildProgram(schedule, sizesOf(choice, numRanks, numMicroBatches, false)).placement;
  }
  if (schedule.numRanks !== numRanks)
    throw new ScheduleError(
      "INVALID_SIZES",
      `${schedule.schedule}: this program is for ${schedule.numRanks} ranks; got ${numRanks}; start ${schedule.numRanks}`,
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

function mirrorOf(placement: Placement, rank: number): number | undefined {
  const [down, up] = placement.rankOfStage;
  if (down === undefined || up === undefined) return undefined;
  return up[down.indexOf(rank)];
}

/** For each computation that ends the backward of a stage, that stage, in the order of the plan. */
function lastBackwards(plan: RankPlan): Map<PlannedComputation, number[]> {
  const lastOf = new Map<number, PlannedComputation>();
  for (const entry of plan) {
    if ("receive" in entry || entry.backward === undefined || entry.backward.kind === "I") continue;
    lastOf.delete(entry.backward.stage);
    lastOf.set(entry.backward.stage, entry);
  }
  return new Map([...lastOf].map(([stage, computation]) => [computation, [stage]]));
}
