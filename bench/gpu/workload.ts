import type { DType } from "../../src/index.ts";

/** A model and the steps of DualPipe over it; `peers.py` measures the same. */
export interface GpuWorkload {
  /** Residual MLP blocks with a mean squared error, or a GPT with a cross-entropy. */
  readonly model: "mlp" | "gpt";
  readonly hidden: number;
  readonly sequence: number;
  readonly dtype: DType;
  readonly microBatchSize: number;
  readonly numMicroBatches: number;
  /** MLP blocks `x + W2 gelu(W1 x)`, or layers; the model has as many times the number of cards. */
  readonly numLayersPerCard: number;
  readonly numWarmUpSteps: number;
  readonly numSteps: number;
}

/** Token indices and heads of the GPT. */
export const GPT_VOCAB_SIZE = 50304;
export const GPT_HEAD_SIZE = 128;

const mlp = { model: "mlp", microBatchSize: 1, numLayersPerCard: 2 } as const;

export const WORKLOADS: readonly GpuWorkload[] = [
  {
    ...mlp,
    hidden: 64,
    sequence: 16,
    dtype: "float32",
    numMicroBatches: 20,
    numWarmUpSteps: 300,
    numSteps: 100,
  },
  {
    ...mlp,
    hidden: 4096,
    sequence: 4096,
    dtype: "bfloat16",
    numMicroBatches: 20,
    numWarmUpSteps: 3,
    numSteps: 10,
  },
  {
    ...mlp,
    hidden: 4096,
    sequence: 4096,
    dtype: "bfloat16",
    numMicroBatches: 8,
    numWarmUpSteps: 3,
    numSteps: 10,
  },
  {
    model: "gpt",
    hidden: 2048,
    sequence: 2048,
    dtype: "bfloat16",
    microBatchSize: 2,
    numMicroBatches: 16,
    numLayersPerCard: 12,
    numWarmUpSteps: 3,
    numSteps: 6,
  },
];

/** MLP blocks of the same size for every number of cards: M = 2 P + 4 and 4 P, and 20 to compare numbers of cards. */
export function workloadsOfSchedules(numCards: number): GpuWorkload[] {
  const sizes = new Set([2 * numCards + 4, 4 * numCards, 20]);
  return [...sizes]
    .sort((a, b) => a - b)
    .map((numMicroBatches) => ({
      ...mlp,
      hidden: 4096,
      sequence: 4096,
      dtype: "bfloat16",
      numMicroBatches,
      numWarmUpSteps: 4,
      numSteps: 7,
    }));
}

/** A GPT of 6.9 billion parameters: 32 layers of 4,096 features, sequences of 4,096 tokens, M = 4 P. */
export function largeGpt(numCards: number): GpuWorkload {
  return {
    model: "gpt",
    hidden: 4096,
    sequence: 4096,
    dtype: "bfloat16",
    microBatchSize: 1,
    numMicroBatches: 4 * numCards,
    numLayersPerCard: 32 / numCards,
    numWarmUpSteps: 1,
    numSteps: 3,
  };
}

/** Tokens of a step, and the operations of its forward and backward; of attention, the causal half counts. */
export function sizeOfStep(
  { hidden, sequence, microBatchSize, numMicroBatches, numLayersPerCard }: GpuWorkload,
  numCards: number,
): { numTokens: number; flops: number } {
  const numTokens = microBatchSize * numMicroBatches * sequence;
  const layer = 12 * hidden ** 2 + sequence * hidden;
  return {
    numTokens,
    flops: 6 * numTokens * (numLayersPerCard * numCards * layer + GPT_VOCAB_SIZE * hidden),
  };
}

export function nameOf({ model, hidden, sequence, dtype, numMicroBatches }: GpuWorkload): string {
  return `${model}, h=${hidden}, seq ${sequence}, ${dtype}, M=${numMicroBatches}`;
}
