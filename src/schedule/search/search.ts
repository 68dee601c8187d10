import { lower } from "../lower/lower.ts";
import { ActionListBuilder } from "../program/action-list.ts";
import { Opcode } from "../program/opcode.ts";
import { peakActivations } from "../program/peak-activations.ts";
import { type Placement, perRank, stagesOf } from "../program/placement.ts";
import type { Program } from "../program/program.ts";
import { ScheduleError } from "../program/schedule-error.ts";
import type { CostModel } from "../simulate/cost.ts";
import { simulate } from "../simulate/simulate.ts";
import { improve, type SearchResult } from "./improve.ts";
import { listSchedule, type Preference } from "./list-schedule.ts";
import { namedPrograms } from "./starts.ts";

export interface SearchOptions {
  readonly placement: Placement;
  readonly cost: CostModel;
  /** The most micro-batches of a stage that a rank may hold. */
  readonly maxActivations: number;
  /** How many changes of the best of them are tried. */
  readonly numTrials?: number;
  readonly seed?: number;
}

const PREFERENCES: readonly Preference[] = ["backward-first", "forward-first", "weight-early"];
const PATIENCES = [0, 0.5, 1];

/**
 * Looks for a program that takes less time at the given costs: list schedules with different preferences and
 * the named ones of the same placement, then moves of single actions in the best of them. The same seed gives the same program.
 * @throws ScheduleError `INVALID_PLAN` when a rank may hold fewer micro-batches than it has stages
 */
export function searchSchedule({
  placement,
  cost,
  maxActivations,
  numTrials = 300,
  seed = 1,
}: SearchOptions): SearchResult {
  const stagesPerRank = Math.max(...perRank(placement.numRanks, (rank) => stagesOf(placement, rank).length));
  if (maxActivations < stagesPerRank) {
    throw new ScheduleError(
      "INVALID_PLAN",
      `search: a rank must be able to hold a micro-batch of each of its stages; got room for ${maxActivations} ` +
        `with ${stagesPerRank} stages; allow ${stagesPerRank}`,
    );
  }
  const lists = PREFERENCES.flatMap((preference) =>
    PATIENCES.flatMap((patience) =>
      PATIENCES.map((forwardPatience) =>
        listSchedule({ placement, cost, maxActivations, preference, patience, forwardPatience }),
      ),
    ),
  );
  const allowed = namedPrograms(placement).filter(
    (program) => Math.max(...peakActivations(program)) <= maxActivations,
  );
  const results = [...lists, ...allowed, ...allowed.map(splitBackwards)].map((program) => ({
    program: { ...program, schedule: "searched" },
    simulation: simulate(lower(program), cost),
  }));
  const best = results.reduce((a, b) => (b.simulation.makespan < a.simulation.makespan ? b : a));
  return improve(best, { cost, maxActivations, numTrials, seed });
}

/** Every full backward as I and W, which can then be moved apart. */
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
