/*
 * A run must be able to stop at any step and go on, on other ranks, with exactly the batches that it would have had.
 * Shuffling a list and keeping an iterator would put that iterator into every checkpoint. Instead the batch of a step
 * is a pure function of the seed and the step: nothing is saved, nothing is read ahead, and every rank computes the
 * same.
 *
 * The text is cut into windows of `sequenceLength` tokens. Sequence number n of the run is window n mod W of pass
 * floor(n / W), in an order that is a permutation keyed by seed and pass, so that every window comes once before any
 * comes again. Each pass also starts its windows at another offset: otherwise a token would have the same position and
 * the same context in every pass.
 */

import { permutation } from "../../data/permutation.ts";
import type { BatchShape } from "./batch-shape.ts";
import { DataError } from "./data-error.ts";

/** Token ids of one micro-batch, both [microBatchSize, sequenceLength]; each target is the token after its input. */
export interface MicroBatch {
  readonly inputs: BigInt64Array;
  readonly targets: BigInt64Array;
}

/** The training batches of a run, by step. */
export class BatchSampler {
  readonly #tokens: Uint16Array;
  readonly #shape: BatchShape;
  readonly #seed: number;
  #epoch: { readonly index: number; readonly order: Uint32Array; readonly offset: number } | undefined;

  /** @throws DataError when the text is shorter than one window. */
  constructor(tokens: Uint16Array, shape: BatchShape, seed: number) {
    checkLength("train", tokens, shape.sequenceLength + 1);
    this.#tokens = tokens;
    this.#shape = shape;
    this.#seed = seed;
  }

  /** The number of windows in one pass over the text. */
  get numWindows(): number {
    const { sequenceLength } = this.#shape;
    // One less than fit, where more than one fits, so that a pass can start at any offset within the first window.
    return Math.max(1, Math.floor((this.#tokens.length - 1) / sequenceLength) - 1);
  }

  /** The micro-batches of a step; the first step is 0. */
  batchAt(step: number): readonly MicroBatch[] {
    const first = step * this.#shape.numSequences;
    return cutMicroBatches(this.#tokens, this.#shape, (row) => this.#windowStart(first + row));
  }

  #windowStart(position: number): number {
    const index = Math.floor(position / this.numWindows);
    if (this.#epoch?.index !== index) this.#epoch = this.#makeEpoch(index);
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
 * The batches of every validation: always the same windows, spread evenly over the text.
 * @throws DataError when the text has fewer windows than `numBatches` need.
 */
export function validationBatches(
  tokens: Uint16Array,
  shape: BatchShape,
  numBatches: number,
): readonly (readonly MicroBatch[])[] {
  const rowsPerBatch = shape.numSequences;
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
  if (tokens.length >= numTokensMin) return;
  const remedy =
    part === "train"
      ? "use more text or a smaller training.sequenceLength"
      : "use more text, a larger data.validationFraction or a smaller validation.numBatches";
  throw new DataError(
    "DATA_TOO_SMALL",
    `the ${part} text must have at least ${numTokensMin} tokens; got ${tokens.length}; ${remedy}`,
  );
}
