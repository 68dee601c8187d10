import { problemOf } from "../../errors/dualpipe-error.ts";
import { formatAction } from "../../schedule/program/action.ts";
import { TransportError } from "../../transport/transport-error.ts";
import type { PlannedComputation } from "../rank-plan.ts";
import { explainOutOfMemory, type MemoryAccount } from "./out-of-memory.ts";
import { StepError } from "./step-error.ts";

/** The error to throw for one that was thrown in a computation: it says where. */
export function stepErrorOf(
  error: unknown,
  { action, forward, backward }: PlannedComputation,
  rank: number,
  account: MemoryAccount,
): Error {
  if (error instanceof StepError) return error;
  if (error instanceof TransportError) return error.during(formatAction(action));
  const location = { rank, action: formatAction(action) };
  const problem = problemOf(error);
  if ((error as { code?: string }).code !== "OUT_OF_MEMORY")
    return new StepError("STAGE_FAILED", location, problem, { cause: error });
  // Of a pair, either half may have asked for the memory.
  const { stage, microBatch } = (forward ?? backward)!;
  const where = forward && backward ? location : { ...location, stage, microBatch };
  return new StepError("STEP_OUT_OF_MEMORY", where, explainOutOfMemory(problem, account), { cause: error });
}
