/**
 * Looks for a program that beats the named schedules at given costs and memory.
 *
 * Exact solvers need hours for a few ranks, and a search from a random order wastes its time on programs that are bad
 * everywhere. So the search starts from programs that are good already and improves the best of them:
 *
 * 1. list schedules (list-schedule.ts), one for each combination of preference and patience, with and without pairs;
 * 2. a program from due times that were drawn and changed many times (due-search.ts);
 * 3. the named schedules with the same placement that fit into the memory, and the same with every B split into I and
 *    W, which frees the W to fill a bubble;
 * 4. of all these, the fastest by simulation, with single actions moved around its idle times (improve.ts).
 *
 * Since the named schedules are among the starts, the result is never slower than they are. Every candidate is lowered
 * and simulated just as it would run, so "faster" means the time of the step and nothing else.
 */
import { lower } from "../lower/lower.ts";
import { ActionListBuilder } from "../program/action-list.ts";
import { Opcode } from "../program/opcode.ts";
import { peakActivations } from "../program/peak-activations.ts";
import { type Placement, perRank, stagesOf } from "../program/placement.ts";
import type { Program } from "../program/program.ts";
import { ScheduleError } from "../program/schedule-error.ts";
import { programsWithPlacement } from "../schedules/registry.ts";
import { type CostModel, stageCosts } from "../simulate/cost.ts";
import { simulate } from "../simulate/simulate.ts";
import { searchDueTimes } from "./due-search.ts";
import { improve, type SearchResult } from "./improve.ts";
import { listSchedule, type Preference } from "./list-schedule.ts";
import { arePairsFaster } from "./pairs.ts";
import { RandomNumbers } from "./random-numbers.ts";

export interface SearchOptions {
  readonly placement: Placement;
  readonly cost: CostModel;
  /** The most micro-batches of a stage that a rank may hold. */
  readonly maxActivations: number;
  /** How long to search: the number of changes to try on the best program in the end; 300 unless given. */
  readonly numTrials?: number | undefined;
  readonly seed?: number | undefined;
  /** Programs of computations to start from, in addition to the named ones. */
  readonly starts?: readonly Program[] | undefined;
}

const PREFERENCES: readonly Preference[] = ["backward-first", "forward-first", "weights-when-full"];
const PATIENCES = [0, 0.5, 1];
/** How many actions are played for due times for each trial, and how many steps at most. */
const ACTIONS_PER_TRIAL = 5000;
const MAX_PLAYED_PER_TRIAL = 20;

/**
 * The fastest program found for the placement at the given costs. The same seed gives the same program.
 * @throws ScheduleError `INVALID_PLAN` when a rank may hold fewer micro-batches than it has stages
 */
export function searchSchedule({
  placement,
  cost,
  maxActivations,
  numTrials = 300,
  seed = 1,
  starts = [],
}: SearchOptions): SearchResult {
  const stagesPerRank = Math.max(...perRank(placement.numRanks, (rank) => stagesOf(placement, rank).length));
  if (maxActivations < stagesPerRank) {
    throw new ScheduleError(
      "INVALID_PLAN",
      `search: a rank must be able to hold a micro-batch of each of its stages; got room for ${maxActivations} ` +
        `with ${stagesPerRank} stages; allow ${stagesPerRank}`,
    );
  }
  const hasPairs = arePairsFaster(stageCosts(cost, placement.numStages));
  const lists = PREFERENCES.flatMap((preference) =>
    PATIENCES.flatMap((patience) =>
      PATIENCES.flatMap((forwardPatience) =>
        (hasPairs ? [false, true] : [false]).map((pairs) =>
          listSchedule({ placement, cost, maxActivations, preference, patience, forwardPatience, pairs }),
        ),
      ),
    ),
  );
  const random = new RandomNumbers(seed);
  const numActions = 3 * placement.numStages * placement.directionOfMicroBatch.length;
  const numPlayed = Math.ceil(numTrials * Math.min(MAX_PLAYED_PER_TRIAL, ACTIONS_PER_TRIAL / numActions));
  const due = searchDueTimes({ placement, cost, maxActivations }, numPlayed, random);
  const allowed = [...programsWithPlacement(placement), ...starts].filter(
    (program) => Math.max(...peakActivations(program)) <= maxActivations,
  );
  const played = [...lists, due].map(({ program }) => program);
  const results = [...played, ...allowed, ...allowed.map(splitBackwards)].map((program) => ({
    program: { ...program, schedule: "searched" },
    simulation: simulate(lower(program), cost),
  }));
  const best = results.reduce((a, b) => (b.simulation.makespan < a.simulation.makespan ? b : a));
  return improve(best, { cost, maxActivations, numTrials, hasPairs }, random);
}

/** The program with every B as an I and a W, which can then be moved apart. */
function splitBackwards(program: Program): Program {
  const ranks = program.ranks.map(({ opcodes, cells, backwardCells, length, numMicroBatches }) => {
    const builder = new ActionListBuilder(numMicroBatches, 2 * length);
    for (let index = 0; index < length; index++) {
      const opcode = opcodes[index]!;
      builder.addCell(opcode === Opcode.B ? Opcode.I : opcode, cells[index]!, backwardCells[index]!);
      if (opcode === Opcode.B) builder.addCell(Opcode.W, cells[index]!, 0);
    }
    return builder.finish();
  });
  return { ...program, ranks };
}
