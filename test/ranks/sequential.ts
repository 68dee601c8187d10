import { backward } from "../../src/autograd/backward.ts";
import { noGrad } from "../../src/autograd/grad-mode.ts";
import type { Criterion, StageModule } from "../../src/engine/stage/stage.ts";
import type { Module } from "../../src/nn/module.ts";
import { operator } from "../../src/tensor/native-operator.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import type { Message } from "../../src/transport/process-group.ts";

const TENSOR_SPLIT = operator("aten::tensor_split", "sections");

/** A criterion that takes any outputs of a stage. */
type LooseCriterion = (...outputsAndLabels: (Tensor | null)[]) => Tensor;

export interface SequentialBatch {
  readonly inputs: Message;
  readonly labels?: Message;
  readonly numMicroBatches: number;
  readonly batchDim?: number;
}

export interface SequentialResult {
  readonly losses: readonly number[];
  /** Elements of the outputs by micro-batch and position. */
  readonly outputs: readonly (readonly (readonly number[] | null)[])[];
}

/**
 * The oracle of every schedule: all stages one after the other, micro-batch after micro-batch, on one rank. Gradients
 * are added to those of the stages' parameters; without a criterion nothing is differentiated.
 */
export function runSequentially(
  stages: readonly StageModule[],
  { inputs, labels = [], numMicroBatches, batchDim = 0 }: SequentialBatch,
  criterion: Criterion | undefined,
): SequentialResult {
  const { runtime } = stages[0]!;
  const [losses, outputs]: [number[], (readonly number[] | null)[][]] = [[], []];
  runtime.scope(() => {
    const inputParts = cut(inputs, numMicroBatches, batchDim);
    const labelParts = cut(labels, numMicroBatches, batchDim);
    const run = (microBatch: number): void => {
      const result = forward(stages, inputParts[microBatch]!);
      outputs.push(result.map((tensor) => tensor?.toArray() ?? null));
      if (criterion === undefined) return;
      const loss = (criterion as LooseCriterion)(...result, ...labelParts[microBatch]!);
      losses.push(loss.item());
      backward(loss);
    };
    for (let microBatch = 0; microBatch < numMicroBatches; microBatch++)
      runtime.scope(() => (criterion ? run(microBatch) : noGrad(runtime, () => run(microBatch))));
  });
  return { losses, outputs };
}

function forward(stages: readonly StageModule[], inputs: Message): Message {
  let values = inputs;
  for (const stage of stages) {
    const result = (stage as Module<(Tensor | null)[], Tensor | Message>).call(...values);
    values = result instanceof Tensor ? [result] : result;
  }
  return values;
}

/** Micro-batches by LibTorch's own `tensor_split`, by micro-batch and position. */
function cut(tensors: Message, numParts: number, dim: number): Message[] {
  const columns = tensors.map((tensor) => tensor?.runtime.callMany(TENSOR_SPLIT, tensor, numParts, dim));
  return Array.from({ length: numParts }, (_, part) => columns.map((column) => column?.[part] ?? null));
}

/** The measure of the reference's test: 0 for equal vectors, and not 0 when they differ by a factor. */
export function cosineDifference(a: readonly number[], b: readonly number[]): number {
  if (a.length !== b.length) throw new RangeError(`${a.length} elements compared with ${b.length}`);
  let [product, squares] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    product += a[i]! * b[i]!;
    squares += a[i]! ** 2 + b[i]! ** 2;
  }
  return squares === 0 ? 0 : 1 - (2 * product) / squares;
}
