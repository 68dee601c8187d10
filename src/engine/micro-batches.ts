import { counted } from "../errors/counted.ts";
import { InternalError } from "../errors/internal-error.ts";
import * as kernels from "../tensor/kernels/index.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Message } from "../transport/process-group.ts";

/**
 * Cuts tensors into micro-batches along a dimension, as `torch.tensor_split` does: the first ones are longer by one
 * when the size is not divisible. An absent tensor is absent in each. `scatterProblem` must have found nothing wrong.
 * @returns One message per micro-batch; the caller owns its tensors, which are views.
 */
export function scatter(tensors: Message, numMicroBatches: number, batchDim: number): Message[] {
  const problem = scatterProblem(tensors, numMicroBatches, batchDim);
  if (problem !== undefined) throw new InternalError(problem);
  const columns = tensors.map((tensor) =>
    tensor === null ? null : split(tensor, numMicroBatches, batchDim),
  );
  return Array.from({ length: numMicroBatches }, (_, i) => columns.map((column) => column?.[i] ?? null));
}

/** Why tensors cannot be cut into this number of micro-batches; undefined when they can. */
export function scatterProblem(
  tensors: Message,
  numMicroBatches: number,
  batchDim: number,
): string | undefined {
  const tooShort = tensors.find((tensor) => tensor && !((tensor.shape.at(batchDim) ?? 0) >= numMicroBatches));
  if (!tooShort) return undefined;
  return `a tensor of the shape [${tooShort.shape}] cannot be cut into ${counted(numMicroBatches, "micro-batch")} along dimension ${batchDim}`;
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

/** The inverse of `scatter`: the micro-batches' tensors, position by position, joined along a dimension. */
export function gather(microBatches: readonly Message[], batchDim: number): (Tensor | null)[] {
  const numTensors = microBatches[0]?.length ?? 0;
  return Array.from({ length: numTensors }, (_, position) => {
    const parts = microBatches.map((message) => message[position] ?? null);
    const first = parts[0] ?? null;
    return first === null ? null : kernels.cat(parts, batchDim);
  });
}
