import type { RecordedTrack } from "../../engine/record/recorder.ts";
import type { CopiedTensor } from "../checkpoint/copy-buffer.ts";
import type { StepMetrics, ValidationMetrics } from "../report/listener.ts";

/**
 * What a rank's thread reports to the main thread of its process. Rank 0 reports for all, except the checkpoint parts.
 */
export type RankReport =
  /** Comes before the first step. `peakFlops`: of all cards, operations per second; undefined where it is not known. */
  | { readonly kind: "ready"; readonly peakFlops: number | undefined }
  | ({ readonly kind: "train" } & StepMetrics)
  | ({ readonly kind: "validation" } & ValidationMetrics)
  /** The most that tensors have taken so far on each rank of the run. */
  | { readonly kind: "memory"; readonly step: number; readonly peakBytes: readonly number[] }
  /** The computations of a step on the ranks of the first replica. */
  | { readonly kind: "timeline"; readonly step: number; readonly tracks: readonly RecordedTrack[] }
  /** The sending rank's part of a checkpoint; the memory is overwritten by its next one. */
  | { readonly kind: "checkpoint"; readonly step: number; readonly tensors: readonly CopiedTensor[] };
