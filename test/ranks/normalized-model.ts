// A model of stages with batch normalization: what a stage does to one micro-batch depends on nothing else, but what it
// remembers depends on all that it has seen.
import { BatchNorm1d } from "../../src/nn/layers/batch-norm.ts";
import { Linear } from "../../src/nn/layers/linear.ts";
import { Module } from "../../src/nn/module.ts";
import { ModuleBuffer } from "../../src/nn/module-buffer.ts";
import type { Runtime } from "../../src/tensor/runtime.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

export const NUM_ROWS = 4;
const SIZE = 3;

export class NormalizedStage extends Module {
  readonly linear: Linear;
  readonly norm: BatchNorm1d;
  /** It never changes. */
  readonly mask: ModuleBuffer;

  constructor(runtime: Runtime, stage: number) {
    super(runtime);
    runtime.seed(100 + stage);
    this.linear = new Linear(runtime, SIZE, SIZE, { dtype: "float64" });
    this.norm = new BatchNorm1d(runtime, SIZE, { dtype: "float64" });
    this.mask = new ModuleBuffer(runtime.tensor([Number.NEGATIVE_INFINITY, 0.1, 0], undefined, "float64"));
  }

  forward(x: Tensor): Tensor {
    return this.norm.call(this.linear.call(x));
  }
}

/** The whole batch, of `NUM_ROWS` rows for each micro-batch, the same on every rank. */
export function normalizedBatch(runtime: Runtime, numMicroBatches: number): Tensor {
  runtime.seed(7);
  return runtime.randn([numMicroBatches * NUM_ROWS, SIZE], "float64");
}
