import { operator } from "../../tensor/native-operator.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { type Node, record } from "../graph.ts";
import { formOf, reduceTo } from "./broadcast.ts";
import { reshape, squeeze, unsqueeze } from "./shape.ts";
import { shapeMismatch } from "./shape-mismatch.ts";

const MM = operator("aten::mm");
const ADDMM_INPLACE = operator("aten::addmm_");
const BMM = operator("aten::bmm");
const BADDBMM_INPLACE = operator("aten::baddbmm_");
const TRANSPOSE = operator("aten::transpose", "int");
const RESHAPE = operator("aten::reshape");
const EXPAND = operator("aten::expand");

/**
 * The matrix product `a b`.
 * @param a [n, k]
 * @param b [k, m]
 * @returns [n, m]
 */
export function mm(a: Tensor, b: Tensor): Tensor {
  if (a.shape.length !== 2 || b.shape.length !== 2 || a.shape[1] !== b.shape[0])
    throw shapeMismatch("mm", "a must be [n, k] and b [k, m]", { a, b });
  const y = a.runtime.call(MM, a, b);
  record("mm", [a, b], [y], productSaves(a, b), (node) => productGradients(node, false));
  return y;
}

/**
 * The matrix products of two batches of matrices.
 * @param a [B, n, k]
 * @param b [B, k, m]
 * @returns [B, n, m]
 */
export function bmm(a: Tensor, b: Tensor): Tensor {
  const [batchA, , inner] = a.shape;
  if (a.shape.length !== 3 || b.shape.length !== 3 || batchA !== b.shape[0] || inner !== b.shape[1])
    throw shapeMismatch("bmm", "a must be [B, n, k] and b [B, k, m]", { a, b });
  const y = a.runtime.call(BMM, a, b);
  record("bmm", [a, b], [y], productSaves(a, b), (node) => productGradients(node, true));
  return y;
}

function productSaves(a: Tensor, b: Tensor): [Tensor, number][] {
  return [
    [b, 0],
    [a, 1],
  ];
}

function productGradients(node: Node, isBatch: boolean): (Tensor | null)[] {
  const { runtime, gradient } = node;
  const transpose = (x: Tensor) => runtime.call(TRANSPOSE, x, -2, -1);
  return [
    node.wants(0) ? addProduct(node, 0, gradient, transpose(node.saved(0)), isBatch) : null,
    node.wants(1) ? addProduct(node, 1, transpose(node.saved(1)), gradient, isBatch) : null,
  ];
}

/** The gradient of a weight is added to its sum so far inside the product that makes it. */
function addProduct(node: Node, input: number, left: Tensor, right: Tensor, isBatch: boolean): Tensor {
  const { runtime } = node;
  const sum = node.accumulator(input);
  if (sum === null) return runtime.call(isBatch ? BMM : MM, left, right);
  runtime.callInPlace(isBatch ? BADDBMM_INPLACE : ADDMM_INPLACE, sum, left, right);
  return sum;
}

/**
 * The product of matrices, or of batches of them, as `torch.matmul`: a vector is a row on the left and a column on the
 * right, and the dimensions before the last two are broadcast.
 * @param a [..., n, k] or [k]
 * @param b [..., k, m] or [k]
 * @returns [..., n, m], without n or m where a or b is a vector.
 */
export function matmul(a: Tensor, b: Tensor): Tensor {
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

function broadcastProduct(a: Tensor, b: Tensor): Tensor {
  const { runtime } = a;
  const batch = broadcastBatch(a, b);
  const matricesA = a.shape.slice(-2);
  const matricesB = b.shape.slice(-2);
  const flat = (x: Tensor, matrices: readonly number[]) =>
    runtime.call(RESHAPE, runtime.call(EXPAND, x, [...batch, ...matrices]), [product(batch), ...matrices]);
  const left = flat(a, matricesA);
  const right = flat(b, matricesB);
  const shape = [...batch, matricesA[0]!, matricesB[1]!];
  const y = runtime.call(RESHAPE, runtime.call(BMM, left, right), shape);
  const [formA, formB] = [formOf(a), formOf(b)];
  record("matmul", [a, b], [y], productSaves(left, right), (node) => {
    const gradient = runtime.call(RESHAPE, node.gradient, [-1, ...shape.slice(-2)]);
    const transposed = (i: number) => runtime.call(TRANSPOSE, node.saved(i), 1, 2);
    const unflat = (x: Tensor, matrices: readonly number[]) =>
      runtime.call(RESHAPE, x, [...batch, ...matrices]);
    return [
      node.wants(0) ? reduceTo(formA, unflat(runtime.call(BMM, gradient, transposed(0)), matricesA)) : null,
      node.wants(1) ? reduceTo(formB, unflat(runtime.call(BMM, transposed(1), gradient), matricesB)) : null,
    ];
  });
  return y;
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

function product(sizes: readonly number[]): number {
  return sizes.reduce((a, b) => a * b, 1);
}
