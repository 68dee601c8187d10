import type { TensorEntry } from "../../files/safetensors.ts";
import type { ProcessLayout } from "../../transport/processes/connect-processes.ts";
import type { TrainConfig } from "../config/config.ts";

/** What process 0 finds for the ranks of all processes. */
export interface SharedData {
  /** That of process 0, which the others must have too. */
  readonly config: TrainConfig;
  /** The tokens to train on; the threads of a process share the memory. */
  readonly train: Uint16Array;
  readonly validation: Uint16Array;
  /** A step that is a multiple of any of these has its timeline reported when it ends. */
  readonly timelineIntervals: readonly number[];
  /** The checkpoint to resume from. */
  readonly resume:
    | {
        /** The paths of its parts. */
        readonly files: readonly string[];
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
  /** The parameters and buffers that this rank owns. */
  readonly weights: readonly TensorEntry[];
}
