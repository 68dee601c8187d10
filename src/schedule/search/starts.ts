import type { Placement } from "../program/placement.ts";
import type { Program } from "../program/program.ts";
import { ScheduleError } from "../program/schedule-error.ts";
import { checkSizes } from "../program/sizes.ts";
import { schedules } from "../schedules/registry.ts";

/** The programs of all named schedules that place stages so. */
export function namedPrograms(placement: Placement): Program[] {
  const { numRanks, numStages, directionOfMicroBatch } = placement;
  const isBidirectional = placement.rankOfStage.length > 1;
  const sizes = {
    numRanks,
    numMicroBatches: directionOfMicroBatch.length,
    stagesPerRank: isBidirectional ? 1 : numStages / numRanks,
  };
  return schedules.flatMap(({ name, constraints, generate }) => {
    try {
      checkSizes(name, constraints, sizes);
    } catch (error) {
      if (error instanceof ScheduleError) return [];
      throw error;
    }
    const program = generate(sizes);
    return placesAlike(program.placement, placement) ? [program] : [];
  });
}

function placesAlike(a: Placement, b: Placement): boolean {
  const text = ({ rankOfStage }: Placement) => rankOfStage.map((ranks) => ranks.join()).join(";");
  return text(a) === text(b);
}
