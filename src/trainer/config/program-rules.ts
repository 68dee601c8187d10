import { lower } from "../../schedule/lower/lower.ts";
import { type Placement, stagesOf } from "../../schedule/program/placement.ts";
import type { Program } from "../../schedule/program/program.ts";
import { ScheduleError } from "../../schedule/program/schedule-error.ts";
import { formatProblem } from "../../schedule/verify/problem.ts";
import { verify } from "../../schedule/verify/verify.ts";
import { programOf, type ScheduleFile } from "./schedule-file.ts";

/** Why a program from a file cannot be trained with this number of ranks and micro-batches, if it cannot. */
export function programProblem(
  schedule: ScheduleFile,
  ranks: number,
  microBatches: number,
): string | undefined {
  const { file } = schedule;
  try {
    const program = programOf(schedule);
    const { numRanks, numMicroBatches } = program;
    if (numRanks !== ranks)
      return `pipeline.ranks must be ${numRanks} as in ${file}, or left out; got ${ranks}; use ${numRanks}`;
    if (numMicroBatches !== microBatches)
      return `pipeline.microBatches must be ${numMicroBatches} as in ${file}, or left out; got ${microBatches}; use ${numMicroBatches}`;
    const problem = untrainable(program);
    return problem === undefined ? undefined : `${file}: ${problem}`;
  } catch (error) {
    if (!(error instanceof ScheduleError)) throw error;
    return `${file}: ${error.problem}`;
  }
}

function untrainable(program: Program): string | undefined {
  if (program.forwardOnly) return "a program must have backwards to be trained; it has forwards only";
  const lowered = program.communication === "none" ? lower(program) : program;
  const [problem] = verify(lowered, { sends: "buffered", maxProblems: 1 }).problems;
  return problem === undefined ? placementProblem(program.placement) : formatProblem(lowered, problem);
}

/** Parameters are shared by pairs of ranks that hold the same stages and mirror each other, as under DualPipe. */
function placementProblem(placement: Placement): string | undefined {
  const { numRanks, rankOfStage } = placement;
  if (rankOfStage.length > 2)
    return `micro-batches must pass the ranks in at most 2 ways; they do in ${rankOfStage.length}`;
  const [first, second] = rankOfStage;
  if (second === undefined) return undefined;
  for (let rank = 0; rank < numRanks; rank++) {
    const stages = stagesOf(placement, rank);
    const holders = [...new Set(stages.flatMap((stage) => [first![stage]!, second[stage]!]))];
    const isPair =
      holders.length === 2 &&
      holders.every((holder) => String(stagesOf(placement, holder)) === String(stages));
    if (isPair && first!.includes(rank)) continue;
    return `where micro-batches pass the ranks in 2 ways, ranks must be pairs that hold the same stages; rank ${rank} holds stage ${stages.join(" and ")}, which ranks ${holders.join(", ")} hold`;
  }
  return undefined;
}
