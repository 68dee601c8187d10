/*
 * The program of every rank of a training run, whether the ranks are threads of one process or of several.
 *
 * Only process 0 reads the data and looks for the checkpoint to resume from: two processes that looked for themselves
 * could find different ones. Ranks of process 0 get what was found from their main thread, in memory that all of its
 * threads share; rank 0 sends it to the ranks of the other processes over the process group, which needs no shared disk
 * and no further connection. From there on every rank computes all decisions itself from the same numbers, so none of
 * them is told when to validate, to stop or to take a checkpoint. In the end the results go back to rank 0 in the same
 * way.
 */
import type { TensorEntry } from "../../files/safetensors.ts";
import type { RankContext } from "../../launch/rank-context.ts";
import type { ProcessLayout } from "../../transport/gloo/connect-processes.ts";
import type { ProcessGroup } from "../../transport/process-group.ts";
import type { TrainConfig } from "../config/config.ts";
import { gatherValues, receiveValue, sendValue } from "./group-values.ts";
import { RankTrainer } from "./rank-trainer.ts";

/** What process 0 finds for the ranks of all processes. */
export interface SharedData {
  /** The tokens to train on; the threads of a process share the memory. */
  readonly train: Uint16Array;
  readonly validation: Uint16Array;
  /** A step that is a multiple of any of these has its timeline reported when it ends. */
  readonly timelineIntervals: readonly number[];
  /** The checkpoint in `output.dir` to resume from. */
  readonly resume:
    | {
        readonly checkpoint: string;
        /** Steps that it has done. */
        readonly step: number;
        /** Whether each rank does what it did before the checkpoint. */
        readonly isSameLayout: boolean;
      }
    | undefined;
}

export interface RankData {
  readonly config: TrainConfig;
  /** The memory of the process's `CheckpointRequests`. */
  readonly requests: SharedArrayBuffer;
  /** How the ranks are spread over processes, in a run of several. */
  readonly layout: ProcessLayout | undefined;
  /** Given in process 0 only. */
  readonly shared: SharedData | undefined;
}

export interface RankResult {
  /** Steps done; fewer than `training.steps` when the run was asked to stop. */
  readonly step: number;
  /** The parameters that this rank owns. */
  readonly weights: readonly TensorEntry[];
}

/** @returns In a single process this rank's result; otherwise on rank 0 the results of all ranks, elsewhere none. */
export default async function rankProgram(context: RankContext<RankData>): Promise<RankResult[]> {
  const { processGroup, data } = context;
  const trainer = new RankTrainer(context, shareData(processGroup, data));
  await trainer.resume();
  const result = trainer.run();
  return data.layout === undefined ? [result] : gatherValues(processGroup, processGroup.size, result);
}

function shareData(group: ProcessGroup, { shared, layout }: RankData): SharedData {
  if (shared === undefined) return receiveValue(group, 0) as SharedData;
  if (group.rank === 0 && layout !== undefined)
    for (let peer = layout.ranksPerProcess; peer < group.size; peer++) sendValue(group, peer, shared);
  return shared;
}
