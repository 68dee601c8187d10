import { checkTensor } from "../../tensor/argument.ts";
import * as kernels from "../../tensor/kernels/index.ts";
import { shapeMismatch } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { record } from "../record.ts";

/**
 * The rows of a table at these indices.
 * @param weight [N, D]
 * @param indices int64, any shape, from 0 to N - 1
 * @returns [...indices, D]
 */
export function embedding(weight: Tensor, indices: Tensor): Tensor {
  checkTensor("embedding", "weight", weight);
  checkTensor("embedding", "indices", indices);
  if (weight.shape.length !== 2 || (indices.dtype !== "int64" && indices.dtype !== "int32"))
    throw shapeMismatch("embedding", "weight must be [N, D] and indices int64", { weight, indices });
  const [numRows, size] = weight.shape as [number, number];
  const y = kernels.embedding(weight, indices);
  return record("embedding", { weight, indices }, y, { indices }, (dy, { indices }, node) => ({
    // Only the first gradient makes a tensor of the table's size; rows of the others are added to it.
    weight: () => {
      const sum = node.accumulator("weight");
      if (sum === null) return kernels.embeddingBackward(dy, indices, numRows);
      const [rowIndices, rows] = [kernels.reshape(indices, [-1]), kernels.reshape(dy, [-1, size])];
      if (sum.runtime.device.kind === "cpu") kernels.indexAdd_(sum, 0, rowIndices, rows);
      else kernels.indexPut_(sum, rowIndices, rows);
      return sum;
    },
    indices: null,
  }));
}
