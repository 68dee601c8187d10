import { peakActivations } from "../program/peak-activations.ts";
import type { Program } from "../program/program.ts";
import { ScheduleError } from "../program/schedule-error.ts";
import { ActionCheck } from "./actions.ts";
import { channelProblems } from "./channels.ts";
import type { Problem } from "./problem.ts";
import { formatProblem } from "./problem.ts";
import { ProgressCheck, type SendModel } from "./progress.ts";

export interface VerifyOptions {
  readonly sends?: SendModel;
  /** Stop after this many problems. */
  readonly maxProblems?: number;
}

export interface Verification {
  /** Empty when the program can be run. */
  readonly problems: readonly Problem[];
  /** The most activations that each rank holds, in micro-batches of one stage. */
  readonly peakActivations: readonly number[];
}

/**
 * Checks that a program is complete, in order, and cannot deadlock when every directed edge has a FIFO channel
 * for activations and one for gradients.
 */
export function verify(
  program: Program,
  { sends = "rendezvous", maxProblems = 10 }: VerifyOptions = {},
): Verification {
  const actions = new ActionCheck(program, maxProblems);
  actions.run();
  let { problems } = actions;
  if (problems.length === 0 && program.communication !== "none") {
    problems = channelProblems(program).slice(0, maxProblems);
  }
  if (problems.length === 0) problems = new ProgressCheck(program, sends).run();
  return { problems, peakActivations: peakActivations(program) };
}

/** @throws ScheduleError `INVALID_PROGRAM` with the first problem and the actions around it */
export function assertVerified(program: Program, options: VerifyOptions = {}): void {
  const problem = verify(program, { ...options, maxProblems: 1 }).problems[0];
  if (problem === undefined) return;
  throw new ScheduleError("INVALID_PROGRAM", formatProblem(program, problem), { rank: problem.rank });
}
