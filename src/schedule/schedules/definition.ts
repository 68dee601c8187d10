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
  /** Computations only; the sizes have been checked against the constraints. */
  generate(sizes: ProgramSizes): Program;
  /** The communication order of the reference implementation, where there is one. */
  generateReferenceOrder?(sizes: ProgramSizes): Program;
}
