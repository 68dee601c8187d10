import type { Pipeline } from "../../src/engine/pipeline.ts";
import * as kernels from "../../src/tensor/kernels/index.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

/** A whole batch: a number of rows for each micro-batch, in the order of the micro-batches. */
export interface Batch {
  readonly inputs: Tensor;
  readonly targets: Tensor;
  readonly microBatchSize: number;
}

/** What a rank gives to a step: the inputs that enter at it, and the targets of what leaves at it. */
export interface BatchPart {
  readonly inputs: Tensor | null;
  readonly labels: Tensor[];
  /** The micro-batches whose losses are here. */
  readonly leaving: readonly number[];
}

/**
 * A rank's part of a batch.
 * @param numMicroBatches Those of the rank's pipeline, of which the first is the batch's micro-batch `firstMicroBatch`.
 */
export function partOf(
  { inputs, targets, microBatchSize }: Batch,
  pipe: Pipeline,
  numMicroBatches: number,
  firstMicroBatch = 0,
): BatchPart {
  const { entering, leaving } = pipe.endsOf(numMicroBatches);
  const take = (tensor: Tensor, microBatches: readonly number[]): Tensor => {
    const firstRow = (firstMicroBatch + microBatches[0]!) * microBatchSize;
    return kernels.narrow(tensor, 0, firstRow, microBatches.length * microBatchSize);
  };
  return {
    inputs: entering.length > 0 ? take(inputs, entering) : null,
    labels: leaving.length > 0 ? [take(targets, leaving)] : [],
    leaving,
  };
}
