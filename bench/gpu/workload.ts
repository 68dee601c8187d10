import type { DType } from "../../src/index.ts";

/** Steps of DualPipe over residual MLP blocks; `peers.py` measures the same. */
export interface GpuWorkload {
  readonly hidden: number;
  readonly sequence: number;
  readonly dtype: DType;
  readonly numMicroBatches: number;
  readonly numWarmUpSteps: number;
  readonly numSteps: number;
}

/** Blocks `x + W2 gelu(W1 x)` of each of a rank's two stages. */
export const BLOCKS_PER_STAGE = 2;

export const WORKLOADS: readonly GpuWorkload[] = [
  {
    hidden: 64,
    sequence: 16,
    dtype: "float32",
    numMicroBatches: 20,
    numWarmUpSteps: 300,
    numSteps: 100,
  },
  {
    hidden: 4096,
    sequence: 4096,
    dtype: "bfloat16",
    numMicroBatches: 20,
    numWarmUpSteps: 3,
    numSteps: 10,
  },
  {
    hidden: 4096,
    sequence: 4096,
    dtype: "bfloat16",
    numMicroBatches: 8,
    numWarmUpSteps: 3,
    numSteps: 10,
  },
];

export function nameOf({ hidden, sequence, dtype, numMicroBatches }: GpuWorkload): string {
  return `h=${hidden}, seq ${sequence}, ${dtype}, M=${numMicroBatches}`;
}
