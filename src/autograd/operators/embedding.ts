import { operator } from "../../tensor/native-operator.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { historyOf, type Node, record } from "../graph.ts";
import { shapeMismatch } from "./shape-mismatch.ts";

const EMBEDDING = operator("aten::embedding");
const EMBEDDING_BACKWARD = operator("aten::embedding_dense_backward");
const INDEX_ADD_INPLACE = operator("aten::index_add_");
const RESHAPE = operator("aten::reshape");
const NO_PADDING = -1;

/**
 * The rows of a table at these indices.
 * @param weight [N, D]
 * @param indices int64, any shape, from 0 to N - 1
 * @returns [...indices, D]
 */
export function embedding(weight: Tensor, indices: Tensor): Tensor {
  if (weight.shape.length !== 2 || (indices.dtype !== "int64" && indices.dtype !== "int32"))
    throw shapeMismatch("embedding", "weight must be [N, D] and indices int64", { weight, indices });
  const y = weight.runtime.call(EMBEDDING, weight, indices);
  const [numRows, size] = weight.shape as [number, number];
  record(
    "embedding",
    [weight],
    [y],
    [[indices, 0]],
    (node) => [weightGradient(node, numRows, size)],
    historyOf(indices)?.isActivation,
  );
  return y;
}

/** Rows are added into the sum so far, so that only the first gradient makes a tensor of the table's size. */
function weightGradient(node: Node, numRows: number, size: number): Tensor {
  const { runtime, gradient } = node;
  const indices = node.saved(0);
  const sum = node.accumulator(0);
  if (sum === null) return runtime.call(EMBEDDING_BACKWARD, gradient, indices, numRows, NO_PADDING, false);
  const flat = runtime.call(RESHAPE, indices, [-1]);
  runtime.callInPlace(INDEX_ADD_INPLACE, sum, 0, flat, runtime.call(RESHAPE, gradient, [-1, size]));
  return sum;
}
