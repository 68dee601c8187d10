import { counted } from "../errors/counted.ts";
import { InternalError } from "../errors/internal-error.ts";
import * as kernels from "../tensor/kernels/index.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Message } from "../transport/process-group.ts";

/** A tensor of a batch that every micro-batch gets whole; see `sameForAll`. */
export class SameForAll {
  readonly tensor: Tensor;

  constructor(tensor: Tensor) {
    this.tensor = tensor;
  }
}

/**
 * An input or a label that has no row for each example, such as a mask or the weights of classes: every micro-batch of
 * the step gets the whole tensor instead of its rows.
 *
 * @example
 * const weights = runtime.ones([1, 16]);
 * pipe.step([inputs, sameForAll(weights)], { numChunks: 8, criterion: mseLoss, labels: [targets] });
 */
export function sameForAll(tensor: Tensor): SameForAll {
  return new SameForAll(tensor);
}

/** The tensors of a step's inputs or labels; an absent one is null. */
export type Batch = readonly (Tensor | SameForAll | null)[];

/**
 * Cuts tensors into micro-batches along a dimension, as `torch.tensor_split` does: the first ones are longer by one
 * when the size is not divisible. An absent tensor is absent in each. `scatterProblem` must have found nothing wrong.
 * @returns One message per micro-batch; the caller owns its tensors, which are views.
 */
export function scatter(tensors: Batch, numMicroBatches: number, batchDim: number): Message[] {
  const problem = scatterProblem(tensors, numMicroBatches, batchDim);
  if (problem !== undefined) throw new InternalError(problem);
  const columns = tensors.map((tensor) => {
    if (tensor === null) return null;
    if (tensor instanceof SameForAll)
      return Array.from({ length: numMicroBatches }, () => tensor.tensor.share());
    return split(tensor, numMicroBatches, batchDim);
  });
  return Array.from({ length: numMicroBatches }, (_, i) => columns.map((column) => column?.[i] ?? null));
}

/** Why tensors cannot be cut into this number of micro-batches; undefined when they can. */
export function scatterProblem(
  tensors: Batch,
  numMicroBatches: number,
  batchDim: number,
): string | undefined {
  const cut = tensors.filter((tensor) => tensor instanceof Tensor);
  const rowsOf = ({ shape }: Tensor): number => shape.at(batchDim) ?? 0;
  const tooShort = cut.find((tensor) => !(rowsOf(tensor) >= numMicroBatches));
  if (tooShort)
    return `a tensor of the shape [${tooShort.shape}] cannot be cut into ${counted(numMicroBatches, "micro-batch")} along dimension ${batchDim}`;
  const other = cut.find((tensor) => rowsOf(tensor) !== rowsOf(cut[0]!));
  return other && differentRows(cut[0]!, other, batchDim);
}

/** The rule that tensors of one batch break when they differ in the dimension along which it is cut. */
export function differentRows(one: Tensor, other: Tensor, batchDim: number): string {
  return (
    `the shapes [${one.shape}] and [${other.shape}] differ in dimension ${batchDim}, along which the batch is cut; ` +
    "give all the same number of rows, and wrap a tensor that every micro-batch needs whole in sameForAll(...)"
  );
}

function split(tensor: Tensor, numParts: number, dim: number): Tensor[] {
  const { runtime } = tensor;
  const size = tensor.shape.at(dim)!;
  const shorter = Math.floor(size / numParts);
  const numLonger = size % numParts;
  return runtime.scope(() =>
    Array.from({ length: numParts }, (_, i) => {
      const start = i * shorter + Math.min(i, numLonger);
      return kernels.narrow(tensor, dim, start, shorter + (i < numLonger ? 1 : 0)).share();
    }),
  );
}

/**
 * The inverse of `scatter`: the micro-batches' tensors, position by position, joined along a dimension. Tensors without
 * dimensions become one with an element per micro-batch. `gatherProblem` must have found nothing wrong.
 */
export function gather(microBatches: readonly Message[], batchDim: number): (Tensor | null)[] {
  const numTensors = microBatches[0]?.length ?? 0;
  return Array.from({ length: numTensors }, (_, position) => {
    const parts = microBatches.map((message) => message[position] ?? null);
    const first = parts[0] ?? null;
    if (first === null) return null;
    return first.shape.length === 0 ? kernels.stack(parts as Tensor[], 0) : kernels.cat(parts, batchDim);
  });
}

/** Why the tensors of a micro-batch cannot be joined to those of another; undefined when they can. */
export function gatherProblem(first: Message, microBatch: Message, batchDim: number): string | undefined {
  if (first.length !== microBatch.length)
    return `it has ${microBatch.length} outputs, and the first micro-batch ${first.length}`;
  const position = first.findIndex(
    (tensor, i) => joinedShape(tensor, batchDim) !== joinedShape(microBatch[i]!, batchDim),
  );
  if (position < 0) return undefined;
  const describe = (tensor: Tensor | null): string =>
    tensor === null ? "null" : `${tensor.dtype} of the shape [${tensor.shape}]`;
  return (
    `its output ${position} is ${describe(microBatch[position]!)}, and that of the first micro-batch ` +
    `${describe(first[position]!)}; whole outputs need the same dtype, and the same shape but for dimension ${batchDim}, in each`
  );
}

/** All that tensors must have in common to be joined. */
function joinedShape(tensor: Tensor | null, batchDim: number): string {
  if (tensor === null) return "null";
  const numDims = tensor.shape.length;
  const cutDim = batchDim < 0 ? batchDim + numDims : batchDim;
  return `${tensor.dtype} ${tensor.shape.map((size, dim) => (dim === cutDim ? "any" : size))}`;
}
