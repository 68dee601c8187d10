import fc from "fast-check";
import * as ops from "../../../src/autograd/index.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import type { Call } from "../gradient-case.ts";
import { shapeOf } from "../shapes.ts";
import { named, ofTensors, type Property, property, shapeWithZeros, small } from "./property.ts";

type Binary = (a: Tensor, b: Tensor) => Tensor;

const sizes = fc.record({ batch: shapeWithZeros(0, 2), m: small, n: small, k: small });
const binary = (name: string, f: Binary, shapes: fc.Arbitrary<number[][]>) =>
  ofTensors(name, f as (...inputs: Tensor[]) => Tensor, shapes);
const square = fc.record({ batch: shapeOf(0, 1), n: small });
/** A matrix that is far from singular: of its elements, a tenth, and 2 on the diagonal. */
const tame = (x: Tensor) => ops.add(ops.scale(x, 0.1), ops.triu(ops.tril(ops.scale(oneLike(x), 2))));
const oneLike = (x: Tensor) => x.runtime.ones(x.shape, x.dtype);
/** Symmetric and positive definite. */
const definite = (x: Tensor) => ops.add(tame(x), ops.transpose(tame(x), -1, -2));

/** An operator of such a matrix. The matrix is made of random elements, whose gradients are compared. */
const ofMatrix = (name: string, f: (x: Tensor) => Tensor, make: (x: Tensor) => Tensor): Property => ({
  ...property(name, {
    setting: square,
    shapes: ({ batch, n }) => [[...batch, n, n]],
    ours: ([x]) => f(make(x!)),
    args: ([x]) => [x!],
  }),
  // Our own rules make the matrix; the reference gets it by LibTorch's.
  reference: ([x], _, call) => call(named(name), definiteOf(x!, call, make === definite)),
});

function definiteOf(x: Tensor, call: Call, isSymmetric: boolean): Tensor {
  const two = call(named("diag_embed"), x.runtime.full(x.shape.slice(0, -1), 2, x.dtype));
  const matrix = call(named("add.Tensor"), call(named("mul.Scalar"), x, 0.1), two);
  return isSymmetric
    ? call(named("add.Tensor"), matrix, call(named("transpose.int"), matrix, -1, -2))
    : matrix;
}

const ORDERS = fc.constantFrom(1, 2, 3);

export const MATRICES: Readonly<Record<string, Property>> = {
  dot: binary(
    "dot",
    ops.dot,
    fc.nat(4).map((n) => [[n], [n]]),
  ),
  outer: binary(
    "outer",
    ops.outer,
    fc.tuple(fc.nat(4), fc.nat(4)).map(([m, n]) => [[m], [n]]),
  ),
  cross: property("linalg_cross", {
    setting: fc.record({ shape: shapeOf(1, 3), at: fc.nat(2) }).map(({ shape, at }) => {
      const dim = at % shape.length;
      return { shape: shape.with(dim, 3), dim };
    }),
    shapes: ({ shape }) => [shape, shape],
    ours: ([a, b], { dim }) => ops.cross(a!, b!, dim),
    args: ([a, b], { dim }) => [a!, b!, dim],
  }),
  kron: binary(
    "kron",
    ops.kron,
    fc.tuple(shapeOf(2), shapeOf(2)).map((shapes) => [...shapes]),
  ),
  tensordot: property("tensordot", {
    setting: sizes,
    shapes: ({ m, n, k }) => [
      [m, k, 2],
      [2, n, k],
    ],
    ours: ([a, b]) => ops.tensordot(a!, b!, [1, 2], [2, 0]),
    args: ([a, b]) => [a!, b!, [1, 2], [2, 0]],
  }),
  einsum: property("einsum", {
    setting: sizes,
    shapes: ({ m, n, k }) => [
      [3, m, k],
      [3, k, n],
    ],
    ours: ([a, b]) => ops.einsum("bij,bjk->bik", a!, b!),
    args: ([a, b]) => ["bij,bjk->bik", [a!, b!]],
  }),
  trace: {
    ...ofTensors(
      "trace",
      ops.trace,
      shapeWithZeros(2, 2).map((shape) => [shape]),
    ),
    // Not LibTorch's trace, whose gradient is wrong where there are more rows than columns.
    reference: ([x], _, call) => call(named("sum"), call(named("diagonal"), x!)),
  },
  diagEmbed: property("diag_embed", {
    setting: fc.record({ shape: shapeOf(1, 3), offset: fc.integer({ min: -2, max: 2 }) }),
    shapes: ({ shape }) => [shape],
    ours: ([x], { offset }) => ops.diagEmbed(x!, offset),
    args: ([x], { offset }) => [x!, offset],
  }),
  cdist: property("cdist", {
    setting: fc.record({ sizes, order: ORDERS }),
    shapes: ({ sizes: { batch, m, n, k } }) => [
      [...batch, m, k],
      [...batch, n, k],
    ],
    ours: ([a, b], { order }) => ops.cdist(a!, b!, order),
    args: ([a, b], { order }) => [a!, b!, order],
  }),
  pairwiseDistance: property("pairwise_distance", {
    setting: fc.record({ shape: shapeOf(1, 3), order: ORDERS }),
    shapes: ({ shape }) => [shape, shape],
    ours: ([a, b], { order }) => ops.pairwiseDistance(a!, b!, order, 1e-5),
    args: ([a, b], { order }) => [a!, b!, order, 1e-5],
  }),
  renorm: property("renorm", {
    setting: fc.record({ shape: shapeOf(2, 3), order: ORDERS, dim: fc.nat(1) }),
    shapes: ({ shape }) => [shape],
    ours: ([x], { order, dim }) => ops.renorm(x!, order, dim, 1.3),
    args: ([x], { order, dim }) => [x!, order, dim, 1.3],
  }),
  inverse: ofMatrix("inverse", ops.inverse, tame),
  det: ofMatrix("det", ops.det, tame),
  cholesky: ofMatrix("linalg_cholesky", ops.cholesky, definite),
  solve: {
    ...property("linalg_solve", {
      setting: fc.record({ square, k: small }),
      shapes: ({ square: { batch, n }, k }) => [
        [...batch, n, n],
        [...batch, n, k],
      ],
      ours: ([a, b]) => ops.solve(tame(a!), b!),
      args: ([a, b]) => [a!, b!],
    }),
    reference: ([a, b], _, call) => call(named("linalg_solve"), definiteOf(a!, call, false), b!),
  },
};
