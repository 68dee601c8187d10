import { gelu } from "../../src/autograd/operators/activation.ts";
import { add } from "../../src/autograd/operators/arithmetic.ts";
import { embedding } from "../../src/autograd/operators/embedding.ts";
import { linear } from "../../src/autograd/operators/linear.ts";
import { mseLoss } from "../../src/autograd/operators/loss.ts";
import { Parameter } from "../../src/autograd/parameter.ts";
import { detach } from "../../src/autograd/record.ts";
import type { Criterion } from "../../src/engine/stage/stage.ts";
import { withSeed } from "../../src/nn/initial.ts";
import { Module } from "../../src/nn/module.ts";
import type { Runtime } from "../../src/tensor/runtime.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import type { Message } from "../../src/transport/process-group.ts";

const NUM_TOKENS = 5;
const SEQUENCE = 3;
const NUM_SKIPPED = 2;

/** The number of features on each edge, all different. */
const widthOf = (edge: number): number => 4 + edge;

type MixedInputs = [
  x: Tensor,
  absent: null,
  tokens: Tensor,
  skipped: Tensor | null,
  unused: Tensor,
  detached: Tensor,
];

/**
 * A stage with everything that may travel between stages: a tensor whose width changes, one that is always absent,
 * integers that are passed along, one that is absent at first and then passed along with a gradient, one that is never
 * used, and one through which no gradient flows. All are [B, T, ...], or [T, B, ...] when the batch is the second
 * dimension.
 */
class MixedStage extends Module<MixedInputs, Message> {
  readonly weight: Parameter;
  readonly tokenWeight: Parameter;
  readonly skipWeight: Parameter | null;
  readonly frozen: Parameter;

  constructor(runtime: Runtime, index: number) {
    super(runtime);
    const normal = (shape: readonly number[]): Parameter => new Parameter(runtime.randn(shape));
    this.weight = normal([widthOf(index + 1), widthOf(index)]);
    this.tokenWeight = normal([NUM_TOKENS, widthOf(index + 1)]);
    this.skipWeight = index === 0 ? normal([NUM_SKIPPED, widthOf(0)]) : null;
    this.frozen = normal([widthOf(index + 1)]);
    this.frozen.requiresGrad = false;
  }

  forward(...[x, absent, tokens, skipped, , detached]: MixedInputs): Message {
    if (absent !== null || (skipped === null) !== (this.skipWeight !== null))
      throw new Error("a tensor is absent, or is not, where it should be the other way round");
    const y = gelu(add(linear(x, this.weight, this.frozen), embedding(this.tokenWeight, tokens)));
    const skip = this.skipWeight === null ? skipped : linear(x, this.skipWeight);
    return [add(y, detachedSum(detached, y)), null, tokens, skip, gelu(x), detach(y)];
  }
}

/** Lets a value that carries no gradient count in the next stage: the first element of it, added to everything. */
function detachedSum(detached: Tensor, like: Tensor): Tensor {
  const { runtime } = like;
  return runtime.full([1], detached.toArray()[0]!, like.dtype);
}

export const severalLabels: Criterion = (
  y: Tensor,
  _absent: null,
  _tokens: Tensor,
  skipped: Tensor,
  _unused: Tensor,
  _detached: Tensor,
  target: Tensor,
  absentLabel: null,
  skipTarget: Tensor,
) => {
  if (absentLabel !== null) throw new Error("the second label is absent");
  return add(mseLoss(y, target), mseLoss(skipped, skipTarget));
};

export const noLabels: Criterion = (y: Tensor, _absent: null, _tokens: Tensor, skipped: Tensor) =>
  add(mseLoss(y, y.runtime.zeros(y.shape)), mseLoss(skipped, skipped.runtime.zeros(skipped.shape)));

export function mixedStages(runtime: Runtime, seed: number, indices: readonly number[]): MixedStage[] {
  return indices.map((index) => withSeed(runtime, 1000 * seed + index, () => new MixedStage(runtime, index)));
}

export interface MixedBatch {
  readonly inputs: Message;
  readonly labels: Message;
}

/** What enters in one direction; the same on every rank that asks. */
export function mixedBatch(
  runtime: Runtime,
  seed: number,
  { batchSize, batchDim, numStages }: { batchSize: number; batchDim: number; numStages: number },
): MixedBatch {
  return withSeed(runtime, seed, () => {
    const rows = batchDim === 0 ? [batchSize, SEQUENCE] : [SEQUENCE, batchSize];
    const floats = (...sizes: number[]): Tensor => runtime.randn([...rows, ...sizes]);
    const tokens = runtime.randint(0, NUM_TOKENS, rows);
    return {
      inputs: [floats(widthOf(0)), null, tokens, null, floats(1), floats(2)],
      labels: [floats(widthOf(numStages)), null, floats(NUM_SKIPPED)],
    };
  });
}
