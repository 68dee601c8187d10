import type { Runtime } from "../tensor/runtime.ts";
import type { ProcessGroup } from "../transport/process-group.ts";

/** The argument of a rank's program. */
export interface RankContext<Data = unknown> {
  readonly rank: number;
  readonly numRanks: number;
  readonly runtime: Runtime;
  readonly processGroup: ProcessGroup;
  /** A copy of the `data` that `runRanks` was given. */
  readonly data: Data;
  /**
   * Sends a copy of a value to the main thread's `onReport`; buffers listed in `transfer` move there without a
   * copy.
   */
  report(value: unknown, transfer?: readonly ArrayBuffer[]): void;
}

/** The default export of a rank's program. Its result is copied to the main thread. */
export type RankProgram<Data = unknown, Result = unknown> = (
  context: RankContext<Data>,
) => Result | Promise<Result>;
