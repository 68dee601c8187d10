import type { Tensor } from "../tensor/tensor.ts";
import type { Message } from "../transport/process-group.ts";
import type { Criterion } from "./stage-module.ts";

export interface StepOptions {
  /** The number of micro-batches of the step. */
  readonly numChunks: number;
  /** Needed in training, on the ranks that hold the last stage. */
  readonly criterion?: Criterion;
  /** Needed with a criterion; `[]` when it takes none. They belong to the micro-batches whose last stage is here. */
  readonly labels?: Message;
  readonly returnOutputs?: boolean;
}

export interface StepResult {
  /** [micro-batches whose last stage is here]; null elsewhere and without a criterion. Belongs to the caller. */
  readonly loss: Tensor | null;
  /** The whole outputs of these micro-batches, if asked for. Belong to the caller. */
  readonly outputs: Tensor | Message | null;
}
