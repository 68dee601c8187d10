import { DataError } from "./data-error.ts";
import { permutation } from "./permutation.ts";

export interface BatchShape {
  readonly numMicroBatches: number;
  readonly microBatchSize: number;
  readonly sequenceLength: number;
}

/** Token ids of one micro-batch, both `[microBatchSize, sequenceLength]`; a target is the token after its input. */
export interface MicroBatch {
  readonly inputs: BigInt64Array;
  readonly targets: BigInt64Array;
}

/**
 * Training batches in an order that depends on the seed alone: the batch of a step is the same whether the run
 * came to it or resumed at it. Every window of the text comes once before any comes again.
 *
 * @throws {DataError} when the text is shorter than one window.
 */
export class BatchSampler {
  readonly #tokens: Uint16Array;
  readonly #shape: BatchShape;
  readonly #seed: number;
  #epoch: { readonly index: number; readonly order: Uint32Array; readonly offset: number } | undefined;

  constructor(tokens: Uint16Array, shape: BatchShape, seed: number) {
    checkLength("train", tokens, shape.sequenceLength + 1);
    this.#tokens = tokens;
    this.#shape = shape;
    this.#seed = seed;
  }

  /** Windows of one pass over the text. */
  get numWindows(): number {
    const { sequenceLength } = this.#shape;
    // Less one window where there are two, so that a pass may begin anywhere within the first.
    return Math.max(1, Math.floor((this.#tokens.length - 1) / sequenceLength) - 1);
  }

  /** The micro-batches of a step, counted from 0. */
  batchAt(step: number): readonly MicroBatch[] {
    const { numMicroBatches, microBatchSize } = this.#shape;
    const first = step * numMicroBatches * microBatchSize;
    return cutMicroBatches(this.#tokens, this.#shape, (row) => this.#windowStart(first + row));
  }

  #windowStart(position: number): number {
    const index = Math.floor(position / this.numWindows);
    if (this.#epoch?.index !== index) {
      this.#epoch = this.#makeEpoch(index);
    }
    const { order, offset } = this.#epoch!;
    return offset + order[position % this.numWindows]! * this.#shape.sequenceLength;
  }

  #makeEpoch(index: number) {
    const { sequenceLength } = this.#shape;
    const numOffsets = Math.min(sequenceLength, this.#tokens.length - this.numWindows * sequenceLength);
    const offset = permutation(numOffsets, [this.#seed, index, 1])[0]!;
    return { index, order: permutation(this.numWindows, [this.#seed, index, 0]), offset };
  }
}

/**
 * The batches of every validation: windows at equal distances over the whole text, always the same.
 *
 * @throws {DataError} when the text has fewer windows than are wanted.
 */
export function validationBatches(
  tokens: Uint16Array,
  shape: BatchShape,
  numBatches: number,
): readonly (readonly MicroBatch[])[] {
  const rowsPerBatch = shape.numMicroBatches * shape.microBatchSize;
  const numRows = numBatches * rowsPerBatch;
  checkLength("validation", tokens, numRows * shape.sequenceLength + 1);
  const stride = Math.floor((tokens.length - 1) / numRows);
  return Array.from({ length: numBatches }, (_, batch) =>
    cutMicroBatches(tokens, shape, (row) => (batch * rowsPerBatch + row) * stride),
  );
}

function cutMicroBatches(
  tokens: Uint16Array,
  { numMicroBatches, microBatchSize, sequenceLength }: BatchShape,
  startOfRow: (row: number) => number,
): readonly MicroBatch[] {
  return Array.from({ length: numMicroBatches }, (_, microBatch) => {
    const inputs = new BigInt64Array(microBatchSize * sequenceLength);
    const targets = new BigInt64Array(microBatchSize * sequenceLength);
    for (let row = 0; row < microBatchSize; row++) {
      const start = startOfRow(microBatch * microBatchSize + row);
      for (let column = 0; column < sequenceLength; column++) {
        inputs[row * sequenceLength + column] = BigInt(tokens[start + column]!);
        targets[row * sequenceLength + column] = BigInt(tokens[start + column + 1]!);
      }
    }
    return { inputs, targets };
  });
}

function checkLength(part: "train" | "validation", tokens: Uint16Array, numTokensMin: number): void {
  if (tokens.length < numTokensMin) {
    const remedy =
      part === "train"
        ? "give more text or a smaller training.sequenceLength"
        : "give more text, a larger data.validationFraction or a smaller validation.numBatches";
    throw new DataError(
      "DATA_TOO_SMALL",
      `the ${part} text must have at least ${numTokensMin} tokens; got ${tokens.length}; ${remedy}`,
    );
  }
}
