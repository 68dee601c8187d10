/** Vectors and matrices: products, distances, and what solves a system of equations. */
import { operator } from "../../tensor/native-operator.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { sum } from "../operators/reduction.ts";
import { differentiable } from "./differentiable.ts";
import { diagonal } from "./indexing.ts";

const DOT = operator("aten::dot");
const OUTER = operator("aten::outer");
const CROSS = operator("aten::linalg_cross");
const KRON = operator("aten::kron");
const TENSORDOT = operator("aten::tensordot");
const DIAG_EMBED = operator("aten::diag_embed");
const CDIST = operator("aten::cdist");
const PAIRWISE_DISTANCE = operator("aten::pairwise_distance");
const RENORM = operator("aten::renorm");
const INVERSE = operator("aten::inverse");
const DET = operator("aten::det");
const SOLVE = operator("aten::linalg_solve");
const CHOLESKY = operator("aten::linalg_cholesky");

/** The sum of the products of two vectors [n]: []. */
export function dot(a: Tensor, b: Tensor): Tensor {
  return differentiable(DOT, a, b);
}

/** The products of all pairs of [m] and [n]: [m, n]. */
export function outer(a: Tensor, b: Tensor): Tensor {
  return differentiable(OUTER, a, b);
}

/** The cross product of vectors of three elements along a dimension. */
export function cross(a: Tensor, b: Tensor, dim = -1): Tensor {
  return differentiable(CROSS, a, b, dim);
}

/** The Kronecker product: b once for each element of a, times that element. */
export function kron(a: Tensor, b: Tensor): Tensor {
  return differentiable(KRON, a, b);
}

/** The sum of products over pairs of dimensions, of the same sizes: `dimsA` of a, `dimsB` of b. */
export function tensordot(a: Tensor, b: Tensor, dimsA: readonly number[], dimsB: readonly number[]): Tensor {
  return differentiable(TENSORDOT, a, b, dimsA, dimsB);
}

/** The sum of the main diagonal of a matrix [m, n]: []. */
export function trace(x: Tensor): Tensor {
  // LibTorch 1.13 has a wrong gradient of aten::trace for a matrix with more rows than columns.
  return sum(diagonal(x));
}

/** [..., n] as diagonals of matrices [..., n + |offset|, n + |offset|], with 0 elsewhere. */
export function diagEmbed(x: Tensor, offset = 0): Tensor {
  return differentiable(DIAG_EMBED, x, offset);
}

/** The distances of all pairs of rows, `norm(a[i] - b[j], order)`: [..., m, d] and [..., n, d] to [..., m, n]. */
export function cdist(a: Tensor, b: Tensor, order = 2): Tensor {
  return differentiable(CDIST, a, b, order);
}

/** The distance of each row of a from that of b, `norm(a[i] - b[i] + eps, order)`: [..., d] to [...]. */
export function pairwiseDistance(a: Tensor, b: Tensor, order = 2, eps = 1e-6): Tensor {
  return differentiable(PAIRWISE_DISTANCE, a, b, order, eps);
}

/** Each slice of a dimension, scaled down so that its norm is at most `maxNorm`. */
export function renorm(x: Tensor, order: number, dim: number, maxNorm: number): Tensor {
  return differentiable(RENORM, x, order, dim, maxNorm);
}

/** The inverses of square matrices [..., n, n]. */
export function inverse(x: Tensor): Tensor {
  return differentiable(INVERSE, x);
}

/** The determinants of square matrices [..., n, n]: [...]. */
export function det(x: Tensor): Tensor {
  return differentiable(DET, x);
}

/** y of `a y = b`: square matrices [..., n, n], and [..., n, k]. */
export function solve(a: Tensor, b: Tensor): Tensor {
  return differentiable(SOLVE, a, b);
}

/** The lower triangle of `L L^T = x`, for symmetric positive definite matrices [..., n, n]. */
export function cholesky(x: Tensor): Tensor {
  return differentiable(CHOLESKY, x);
}
