import type { Action } from "./action.ts";
import { ActionList } from "./action-list.ts";
import { peakActivations } from "./activations.ts";
import type { CostModel } from "./cost.ts";
import { listSchedule, type Preference } from "./list-schedule.ts";
import { lower } from "./lower.ts";
import type { Placement } from "./placement.ts";
import type { Program } from "./program.ts";
import { ScheduleError } from "./schedule-error.ts";
import { type Simulation, simulate } from "./simulate.ts";
import { verify } from "./verify.ts";

export interface SearchOptions {
  readonly placement: Placement;
  readonly cost: CostModel;
  /** The most micro-batches of a stage that a rank may hold. */
  readonly maxActivations: number;
  /** Programs of the same placement to start from, besides list schedules. */
  readonly starts?: readonly Program[];
  /** How many changes of the best start are tried. */
  readonly numTrials?: number;
  readonly seed?: number;
}

export interface SearchResult {
  readonly program: Program;
  readonly simulation: Simulation;
}

const PREFERENCES: readonly Preference[] = ["backward-first", "forward-first", "weight-early"];
const PATIENCES = [0, 0.5, 1];

/**
 * Looks for a program that takes less time at the given costs: list schedules with different preferences and
 * the given starts, then random moves of single actions in the best of them, kept when they do no harm. The
 * same seed gives the same program.
 * @throws ScheduleError `invalid-plan` when a rank may hold fewer micro-batches than it has stages
 */
export function searchSchedule({
  placement,
  cost,
  maxActivations,
  starts = [],
  numTrials = 300,
  seed = 1,
}: SearchOptions): SearchResult {
  const stagesPerRank = Math.max(
    ...Array.from({ length: placement.numRanks }, (_, rank) => stagesOnRank(placement, rank)),
  );
  if (maxActivations < stagesPerRank) {
    throw new ScheduleError(
      "invalid-plan",
      `search: a rank must be able to hold a micro-batch of each of its stages; got room for ${maxActivations} ` +
        `with ${stagesPerRank} stages; allow ${stagesPerRank}`,
    );
  }
  const lists = PREFERENCES.flatMap((preference) =>
    PATIENCES.map((patience) => listSchedule({ placement, cost, maxActivations, preference, patience })),
  );
  const allowed = starts.filter((program) => Math.max(...peakActivations(program)) <= maxActivations);
  const results = [...lists, ...allowed].map((program) => ({
    program: { ...program, schedule: "searched" },
    simulation: simulate(lower(program), cost),
  }));
  const best = results.reduce((a, b) => (b.simulation.makespan < a.simulation.makespan ? b : a));
  return improve(best, { cost, maxActivations, numTrials, seed });
}

function stagesOnRank({ rankOfStage, numStages }: Placement, rank: number): number {
  let count = 0;
  for (let stage = 0; stage < numStages; stage++) {
    if (rankOfStage.some((ranks) => ranks[stage] === rank)) count++;
  }
  return count;
}

type ImproveOptions = Required<Pick<SearchOptions, "cost" | "maxActivations" | "numTrials" | "seed">>;

function improve(
  start: SearchResult,
  { cost, maxActivations, numTrials, seed }: ImproveOptions,
): SearchResult {
  const random = randomNumbers(seed);
  let best = start;
  for (let trial = 0; trial < numTrials; trial++) {
    const program = moveOneAction(best.program, random);
    if (Math.max(...peakActivations(program)) > maxActivations) continue;
    if (verify(program, { maxProblems: 1 }).problems.length > 0) continue;
    const simulation = simulate(lower(program), cost);
    if (simulation.makespan <= best.simulation.makespan) best = { program, simulation };
  }
  return best;
}

function moveOneAction(program: Program, random: (limit: number) => number): Program {
  const rank = random(program.numRanks);
  const actions: Action[] = [...program.ranks[rank]!];
  const from = random(actions.length);
  const to = Math.min(actions.length - 1, Math.max(0, from + random(9) - 4));
  const [moved] = actions.splice(from, 1);
  actions.splice(to, 0, moved!);
  const ranks = program.ranks.with(rank, ActionList.from(actions, program.numMicroBatches));
  return { ...program, ranks };
}

/** Whole numbers under a limit, from Marsaglia's 32-bit xorshift (Journal of Statistical Software 8/14). */
function randomNumbers(seed: number): (limit: number) => number {
  let state = (seed >>> 0) + 1;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}
