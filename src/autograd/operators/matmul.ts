import { checkTensor } from "../../tensor/argument.ts";
import * as kernels from "../../tensor/kernels/index.ts";
import { shapeMismatch } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { Node } from "../graph.ts";
import { record } from "../record.ts";
import { formOf, reduceTo } from "./broadcast.ts";
import { reshape, squeeze, unsqueeze } from "./shape.ts";

/**
 * The matrix product `a b`.
 * @param a [n, k]
 * @param b [k, m]
 * @returns [n, m]
 */
export function mm(a: Tensor, b: Tensor): Tensor {
  checkTensor("mm", "a", a);
  checkTensor("mm", "b", b);
  if (a.shape.length !== 2 || b.shape.length !== 2 || a.shape[1] !== b.shape[0])
    throw shapeMismatch("mm", "a must be [n, k] and b [k, m]", { a, b });
  return recordProduct("mm", a, b, kernels.mm(a, b), kernels.mm, kernels.addmm_);
}

/**
 * The matrix products of two batches of matrices.
 * @param a [B, n, k]
 * @param b [B, k, m]
 * @returns [B, n, m]
 */
export function bmm(a: Tensor, b: Tensor): Tensor {
  checkTensor("bmm", "a", a);
  checkTensor("bmm", "b", b);
  const [batchA, , inner] = a.shape;
  if (a.shape.length !== 3 || b.shape.length !== 3 || batchA !== b.shape[0] || inner !== b.shape[1])
    throw shapeMismatch("bmm", "a must be [B, n, k] and b [B, k, m]", { a, b });
  return recordProduct("bmm", a, b, kernels.bmm(a, b), kernels.bmm, kernels.baddbmm_);
}

function recordProduct(
  name: string,
  a: Tensor,
  b: Tensor,
  y: Tensor,
  product: (left: Tensor, right: Tensor) => Tensor,
  addProduct_: (sum: Tensor, left: Tensor, right: Tensor) => void,
): Tensor {
  const saves = { a: [a, "b"], b: [b, "a"] } as const;
  return record(name, { a, b }, y, saves, (dy, { a, b }, node) => ({
    a: () => accumulate(node, "a", dy, transposed(b)), // da = dy b^T
    b: () => accumulate(node, "b", transposed(a), dy), // db = a^T dy
  }));

  /** The gradient of a weight is added to its sum so far inside the product that makes it. */
  function accumulate(node: Node<"a" | "b">, input: "a" | "b", left: Tensor, right: Tensor): Tensor {
    const sum = node.accumulator(input);
    if (sum === null) return product(left, right);
    addProduct_(sum, left, right);
    return sum;
  }
}

function transposed(x: Tensor): Tensor {
  return kernels.transpose(x, -2, -1);
}

/**
 * The product of matrices, or of batches of them, as `torch.matmul`: a vector is a row on the left and a column
 * on the right, and the dimensions before the last two are broadcast.
 * @param a [..., n, k] or [k]
 * @param b [..., k, m] or [k]
 * @returns [..., n, m], without n or m where a or b is a vector.
 */
export function matmul(a: Tensor, b: Tensor): Tensor {
  checkTensor("matmul", "a", a);
  checkTensor("matmul", "b", b);
  const [dimsA, dimsB] = [a.shape.length, b.shape.length];
  const inner = dimsB === 1 ? b.shape[0] : b.shape[dimsB - 2];
  if (dimsA === 0 || dimsB === 0 || a.shape[dimsA - 1] !== inner)
    throw shapeMismatch("matmul", "a must be [..., n, k] and b [..., k, m]", { a, b });
  if (dimsA === 1) return squeeze(matmul(unsqueeze(a, 0), b), dimsB === 1 ? 0 : -2);
  if (dimsB === 1) return squeeze(matmul(a, unsqueeze(b, 1)), -1);
  if (dimsA === 2 && dimsB === 2) return mm(a, b);
  if (dimsB === 2) return reshape(mm(reshape(a, [-1, inner!]), b), [...a.shape.slice(0, -1), b.shape[1]!]);
  return broadcastProduct(a, b);
}

/** All batches as one: both sides are expanded to the common batch and multiplied by `bmm`. */
function broadcastProduct(a: Tensor, b: Tensor): Tensor {
  const batch = broadcastBatch(a, b);
  const numMatrices = batch.reduce((product, size) => product * size, 1);
  const [matrixA, matrixB] = [a.shape.slice(-2), b.shape.slice(-2)];
  const flat = (x: Tensor, matrix: readonly number[]) =>
    kernels.reshape(kernels.expand(x, [...batch, ...matrix]), [numMatrices, ...matrix]);
  const unflat = (x: Tensor, matrix: readonly number[]) => kernels.reshape(x, [...batch, ...matrix]);
  const matrixY = [matrixA[0]!, matrixB[1]!];
  const [flatA, flatB] = [flat(a, matrixA), flat(b, matrixB)];
  const y = unflat(kernels.bmm(flatA, flatB), matrixY);
  const [formA, formB] = [formOf(a), formOf(b)];
  const saves = { flatA: [flatA, "b"], flatB: [flatB, "a"] } as const;
  return record("matmul", { a, b }, y, saves, (dy, { flatA, flatB }) => {
    const flatDy = kernels.reshape(dy, [-1, ...matrixY]);
    return {
      a: () => reduceTo(formA, unflat(kernels.bmm(flatDy, transposed(flatB)), matrixA)), // da = dy b^T
      b: () => reduceTo(formB, unflat(kernels.bmm(transposed(flatA), flatDy), matrixB)), // db = a^T dy
    };
  });
}

function broadcastBatch(a: Tensor, b: Tensor): number[] {
  const [batchA, batchB] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
  const numDims = Math.max(batchA.length, batchB.length);
  return Array.from({ length: numDims }, (_, i) => {
    const sizeA = batchA[i - numDims + batchA.length] ?? 1;
    const sizeB = batchB[i - numDims + batchB.length] ?? 1;
    if (sizeA !== sizeB && sizeA !== 1 && sizeB !== 1)
      throw shapeMismatch("matmul", "the dimensions before the last two must be equal or 1", { a, b });
    return sizeA === 1 ? sizeB : sizeA;
  });
}
