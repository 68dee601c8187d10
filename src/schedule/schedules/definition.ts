import type { Placement } from "../program/placement.ts";
import type { Program } from "../program/program.ts";
import type { ProgramSizes, SizeConstraints } from "../program/sizes.ts";

/** A named schedule: where it comes from, the sizes it exists for, and its program. */
export interface ScheduleDefinition {
  /** Its name on the command line. */
  readonly name: string;
  readonly title: string;
  /** The paper or program that it follows. */
  readonly source: string;
  readonly constraints: SizeConstraints;
  /** Whether a rank holds the activations of all micro-batches, however many there are. */
  readonly holdsAllActivations?: true;
  /** The rank of each stage; the sizes have been checked against the constraints. */
  placement(sizes: ProgramSizes): Placement;
  /** Computations only; the sizes have been checked against the constraints. */
  generate(sizes: ProgramSizes): Program;
  /** The communication order of the reference implementation, where there is one. */
  generateReferenceOrder?(sizes: ProgramSizes): Program;
  /** The number of computations of a rank in each of the eight steps of DualPipe and DualPipeV. */
  stepLengths?(sizes: ProgramSizes, rank: number): number[];
}

/** The stages on each rank when there are `numStages` in one direction, or the only number that the schedule allows. */
export function stagesPerRankFor(
  { constraints }: ScheduleDefinition,
  numStages: number,
  numRanks: number,
): number {
  const { atLeast, atMost } = constraints.stagesPerRank;
  return atLeast === atMost ? atLeast : numStages / numRanks;
}
