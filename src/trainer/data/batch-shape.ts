/** The shape of a batch: what all replicas together take in one step. */
export class BatchShape {
  readonly numMicroBatches: number;
  /** Sequences in a micro-batch. */
  readonly microBatchSize: number;
  /** Tokens in a sequence. */
  readonly sequenceLength: number;

  constructor(shape: Pick<BatchShape, "numMicroBatches" | "microBatchSize" | "sequenceLength">) {
    this.numMicroBatches = shape.numMicroBatches;
    this.microBatchSize = shape.microBatchSize;
    this.sequenceLength = shape.sequenceLength;
  }

  get numSequences(): number {
    return this.numMicroBatches * this.microBatchSize;
  }

  get numTokens(): number {
    return this.numSequences * this.sequenceLength;
  }
}
