import { gelu } from "../../src/autograd/operators/activation.ts";
import { linear } from "../../src/autograd/operators/linear.ts";
import { Parameter } from "../../src/autograd/parameter.ts";
import { Module } from "../../src/nn/module.ts";
import type { DType } from "../../src/tensor/dtype.ts";
import { operator } from "../../src/tensor/native-operator.ts";
import type { Runtime } from "../../src/tensor/runtime.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import type { Batch } from "./batch-part.ts";

const MUL_INPLACE = operator("aten::mul_", "Scalar");

/** The stage of the reference's example: two linear layers around a GELU, without biases. */
export class MlpStage extends Module {
  readonly linear1: Parameter;
  readonly linear2: Parameter;

  constructor(runtime: Runtime, hidden: number, dtype: DType, seed: number) {
    super(runtime);
    runtime.seed(seed);
    const weight = (shape: readonly number[]): Parameter => {
      const values = runtime.randn(shape, dtype);
      runtime.callInPlace(MUL_INPLACE, values, 1 / Math.sqrt(hidden));
      return new Parameter(values);
    };
    this.linear1 = weight([4 * hidden, hidden]);
    this.linear2 = weight([hidden, 4 * hidden]);
  }

  forward(x: Tensor): Tensor {
    return linear(gelu(linear(x, this.linear1)), this.linear2);
  }
}

export interface MlpSizes {
  readonly hidden: number;
  readonly sequence: number;
  readonly microBatchSize: number;
  readonly numMicroBatches: number;
  readonly dtype: DType;
}

/** The whole batch, the same on every rank. */
export function wholeBatch(runtime: Runtime, sizes: MlpSizes): Batch {
  runtime.seed(4242);
  const shape = [sizes.numMicroBatches * sizes.microBatchSize, sizes.sequence, sizes.hidden];
  const inputs = runtime.randn(shape, sizes.dtype);
  return { inputs, targets: runtime.randn(shape, sizes.dtype), microBatchSize: sizes.microBatchSize };
}

/** The seed of a stage, which has the same weights on every rank and in every thread. */
export const stageSeed = (stage: number): number => 100 + stage;

export function mlpStage(runtime: Runtime, { hidden, dtype }: MlpSizes, stage: number): MlpStage {
  return new MlpStage(runtime, hidden, dtype, stageSeed(stage));
}
