/**
 * Decides whether a program can be run: everything that the engine relies on, in one place.
 *
 * Executors and simulators stay simple because they never check: they may assume that each action stands once, on the
 * right rank, after what it needs; that the n-th receive of a channel is for the n-th send; and that no ranks wait for
 * each other in a cycle. Three passes prove these in this order, and each relies on the one before:
 *
 * 1. actions.ts looks at each rank alone;
 * 2. channels.ts compares the two ends of each channel, whose sends and receives are complete by now;
 * 3. progress.ts runs all ranks together, with values by name, because channels deliver the right ones.
 *
 * A program that passes with sends that wait for their receive also passes with sends that do not.
 */
import { Cells } from "../program/cells.ts";
import { peakActivations } from "../program/peak-activations.ts";
import type { Program } from "../program/program.ts";
import { ScheduleError } from "../program/schedule-error.ts";
import { ActionCheck } from "./actions.ts";
import { channelProblems } from "./channels.ts";
import { formatProblem, type Problem } from "./problem.ts";
import { ProgressCheck, type SendModel } from "./progress.ts";

export interface VerifyOptions {
  /** `rendezvous`, the stricter one, unless given. */
  readonly sends?: SendModel | undefined;
  /** The number of problems after which checking stops; 10 unless given. */
  readonly maxProblems?: number | undefined;
}

export interface Verification {
  /** Empty when the program can be run. */
  readonly problems: readonly Problem[];
  /** The most activations that each rank holds, in micro-batches of one stage. */
  readonly peakActivations: readonly number[];
}

/**
 * Checks that a program is complete, in order, and cannot deadlock where every directed edge has a FIFO channel for
 * activations and one for activation gradients.
 */
export function verify(
  program: Program,
  { sends = "rendezvous", maxProblems = 10 }: VerifyOptions = {},
): Verification {
  const cells = new Cells(program);
  const actions = new ActionCheck(program, cells, maxProblems);
  actions.run();
  let { problems } = actions;
  if (problems.length === 0 && program.communication !== "none") {
    problems = channelProblems(program, cells).slice(0, maxProblems);
  }
  if (problems.length === 0) problems = new ProgressCheck(program, cells, sends).run();
  return { problems, peakActivations: peakActivations(program) };
}

/** @throws ScheduleError `INVALID_PROGRAM` with the first problem and the actions around it */
export function assertVerified(program: Program, options: VerifyOptions = {}): void {
  const problem = verify(program, { ...options, maxProblems: 1 }).problems[0];
  if (problem === undefined) return;
  throw new ScheduleError("INVALID_PROGRAM", formatProblem(program, problem), { rank: problem.rank });
}
