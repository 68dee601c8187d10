/**
 * A run started inside a rank.
 *
 * The shortest program is one module, whose default export is the rank's program and whose last line calls
 * `runRanks` with its own URL. Every rank imports that module to find the program, and with it runs the last line:
 * each rank would start ranks that start ranks. So a rank's thread is marked before it imports anything of the
 * user's, and starting a run in a marked thread is an error. Node hands the mark on to the workers that a rank
 * starts.
 */
import { getEnvironmentData, setEnvironmentData } from "node:worker_threads";
import { LaunchError } from "./launch-error.ts";

const MARK = "dualpipe: the rank of this thread";

/** Marks this thread as that of a rank. */
export function markAsRank(rank: number): void {
  setEnvironmentData(MARK, rank);
}

/**
 * Refuses to start a run in a rank's thread.
 * @param call The function that was called.
 * @throws LaunchError RUN_INSIDE_RANK
 */
export function refuseInsideRank(call: string): void {
  const rank = getEnvironmentData(MARK);
  if (typeof rank !== "number") return;
  throw new LaunchError(
    "RUN_INSIDE_RANK",
    `a rank must not start a run, or each run would start another one; rank ${rank} called ${call}; a rank runs all top-level code of its program's module and of the modules which that imports, so start the run only in the main thread: import { isMainThread } from "node:worker_threads"; if (isMainThread) await ${call}(...)`,
  );
}
