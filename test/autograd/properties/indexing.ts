import fc from "fast-check";
import * as ops from "../../../src/autograd/index.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import { shapeOf } from "../shapes.ts";
import {
  indices,
  mask,
  type Property,
  property,
  seed,
  shapeAndDim,
  shapeWithZeros,
  small,
} from "./property.ts";

const someDim = shapeAndDim(shapeOf(1, 3));
/** A shape, a dimension, and how many slices of it to take. */
const slices = fc
  .record({ at: someDim, count: small, seed })
  .map(({ at, count, seed }) => ({ ...at, count, seed }));
type Slices = { shape: number[]; dim: number; count: number; seed: number };

const sliced = ({ shape, dim, count }: Slices) => shape.with(dim, count);
/** Indices of slices [count], or of elements of the slices. */
const list = (x: Tensor, { shape, dim, count, seed }: Slices) =>
  indices(x.runtime, shape.at(dim)!, [count], seed);
const grid = (x: Tensor, at: Slices) => indices(x.runtime, at.shape.at(at.dim)!, sliced(at), at.seed);
/** Different indices: which of two elements for one place stays is open. */
function different(x: Tensor, { shape, dim, count, seed }: Slices): Tensor {
  const size = shape.at(dim)!;
  const order = Array.from({ length: Math.min(count, size) }, (_, i) => (i + seed) % size);
  return x.runtime.tensor(order, [order.length], "int64");
}
/** The same as a grid: every row of the slices has them. */
function differentGrid(x: Tensor, at: Slices): Tensor {
  const { shape, dim } = at;
  const order = different(x, at);
  const rank = shape.length;
  const column = ops.reshape(
    order,
    shape.map((_, i) => (i === (dim + rank) % rank ? order.shape[0]! : 1)),
  );
  return ops.contiguous(ops.expand(column, shape.with(dim, order.shape[0]!)));
}
const numDifferent = ({ shape, dim, count }: Slices) => shape.with(dim, Math.min(count, shape.at(dim)!));

const diagonals = fc.record({ shape: shapeWithZeros(2, 4), diagonal: fc.integer({ min: -3, max: 3 }) });
const triangle = (name: string, f: typeof ops.tril) =>
  property(name, {
    setting: diagonals,
    shapes: ({ shape }) => [shape],
    ours: ([x], { diagonal }) => f(x!, diagonal),
    args: ([x], { diagonal }) => [x!, diagonal],
  });

export const INDEXING: Readonly<Record<string, Property>> = {
  gather: property("gather", {
    setting: slices,
    shapes: ({ shape }) => [shape],
    ours: ([x], at) => ops.gather(x!, at.dim, grid(x!, at)),
    args: ([x], at) => [x!, at.dim, grid(x!, at)],
  }),
  scatter: property("scatter.src", {
    setting: slices,
    shapes: (at) => [at.shape, numDifferent(at)],
    ours: ([x, source], at) => ops.scatter(x!, at.dim, differentGrid(x!, at), source!),
    args: ([x, source], at) => [x!, at.dim, differentGrid(x!, at), source!],
  }),
  scatterAdd: property("scatter_add", {
    setting: slices,
    shapes: (at) => [at.shape, sliced(at)],
    ours: ([x, source], at) => ops.scatterAdd(x!, at.dim, grid(x!, at), source!),
    args: ([x, source], at) => [x!, at.dim, grid(x!, at), source!],
  }),
  indexSelect: property("index_select", {
    setting: slices,
    shapes: ({ shape }) => [shape],
    ours: ([x], at) => ops.indexSelect(x!, at.dim, list(x!, at)),
    args: ([x], at) => [x!, at.dim, list(x!, at)],
  }),
  index: property("index.Tensor", {
    setting: slices.map((at) => ({ ...at, dim: (at.dim + at.shape.length) % at.shape.length })),
    shapes: ({ shape }) => [shape],
    ours: ([x], at) => ops.index(x!, [...new Array<null>(at.dim).fill(null), list(x!, at)]),
    args: ([x], at) => [x!, [...new Array<null>(at.dim).fill(null), list(x!, at)]],
  }),
  indexAdd: property("index_add", {
    setting: slices,
    shapes: (at) => [at.shape, sliced(at)],
    ours: ([x, source], at) => ops.indexAdd(x!, at.dim, list(x!, at), source!),
    args: ([x, source], at) => [x!, at.dim, list(x!, at), source!],
  }),
  indexCopy: property("index_copy", {
    setting: slices,
    shapes: (at) => [at.shape, numDifferent(at)],
    ours: ([x, source], at) => ops.indexCopy(x!, at.dim, different(x!, at), source!),
    args: ([x, source], at) => [x!, at.dim, different(x!, at), source!],
  }),
  indexFill: property("index_fill.int_Scalar", {
    setting: slices,
    shapes: ({ shape }) => [shape],
    ours: ([x], at) => ops.indexFill(x!, at.dim, list(x!, at), 3),
    args: ([x], at) => [x!, at.dim, list(x!, at), 3],
  }),
  take: property("take", {
    setting: fc.record({ shape: shapeOf(1, 3), at: shapeOf(0, 2), seed }),
    shapes: ({ shape }) => [shape],
    ours: ([x], { at, seed }) => ops.take(x!, indices(x!.runtime, x!.numElements, at, seed)),
    args: ([x], { at, seed }) => [x!, indices(x!.runtime, x!.numElements, at, seed)],
  }),
  takeAlongDim: property("take_along_dim", {
    setting: slices,
    shapes: ({ shape }) => [shape],
    ours: ([x], at) => ops.takeAlongDim(x!, grid(x!, at), at.dim),
    args: ([x], at) => [x!, grid(x!, at), at.dim],
  }),
  maskedFill: property("masked_fill.Scalar", {
    setting: fc.record({ shape: shapeWithZeros(0, 3), value: fc.integer(), seed }),
    shapes: ({ shape }) => [shape],
    ours: ([x], { shape, value, seed }) => ops.maskedFill(x!, mask(x!.runtime, shape, seed), value),
    args: ([x], { shape, value, seed }) => [x!, mask(x!.runtime, shape, seed), value],
  }),
  maskedSelect: property("masked_select", {
    setting: fc.record({ shape: shapeWithZeros(0, 3), seed }),
    shapes: ({ shape }) => [shape],
    ours: ([x], { shape, seed }) => ops.maskedSelect(x!, mask(x!.runtime, shape, seed)),
    args: ([x], { shape, seed }) => [x!, mask(x!.runtime, shape, seed)],
  }),
  maskedScatter: property("masked_scatter", {
    setting: fc.record({ shape: shapeOf(1, 3), seed }),
    shapes: ({ shape }) => [shape, shape],
    ours: ([x, source], { shape, seed }) => ops.maskedScatter(x!, mask(x!.runtime, shape, seed), source!),
    args: ([x, source], { shape, seed }) => [x!, mask(x!.runtime, shape, seed), source!],
  }),
  tril: triangle("tril", ops.tril),
  triu: triangle("triu", ops.triu),
  diagonal: property("diagonal", {
    setting: fc.record({ shape: shapeOf(2, 4), offset: fc.integer({ min: -1, max: 1 }) }),
    shapes: ({ shape }) => [shape],
    ours: ([x], { offset }) => ops.diagonal(x!, offset, -1, 0),
    args: ([x], { offset }) => [x!, offset, -1, 0],
  }),
  windows: property("unfold", {
    setting: fc.record({ at: someDim, size: small, step: small }),
    shapes: ({ at }) => [at.shape],
    ours: ([x], { at, size, step }) => ops.windows(x!, at.dim, Math.min(size, x!.shape.at(at.dim)!), step),
    args: ([x], { at, size, step }) => [x!, at.dim, Math.min(size, x!.shape.at(at.dim)!), step],
  }),
  unbind: property("unbind.int", {
    setting: someDim,
    shapes: ({ shape }) => [shape],
    ours: ([x], { dim }) => ops.unbind(x!, dim),
    args: ([x], { dim }) => [x!, dim],
  }),
  movedim: property("movedim.int", {
    setting: fc.record({ at: someDim, to: fc.nat(2) }),
    shapes: ({ at }) => [at.shape],
    ours: ([x], { at, to }) => ops.movedim(x!, at.dim, to % at.shape.length),
    args: ([x], { at, to }) => [x!, at.dim, to % at.shape.length],
  }),
  flip: property("flip", {
    setting: shapeWithZeros(0, 3).chain((shape) =>
      fc.record({ shape: fc.constant(shape), dims: fc.subarray([...shape.keys()]) }),
    ),
    shapes: ({ shape }) => [shape],
    ours: ([x], { dims }) => ops.flip(x!, dims),
    args: ([x], { dims }) => [x!, dims],
  }),
  roll: property("roll", {
    setting: fc.record({ at: someDim, shift: fc.integer({ min: -5, max: 5 }) }),
    shapes: ({ at }) => [at.shape],
    ours: ([x], { at, shift }) => ops.roll(x!, [shift], [at.dim]),
    args: ([x], { at, shift }) => [x!, [shift], [at.dim]],
  }),
  tile: property("repeat", {
    setting: fc.record({ shape: shapeOf(0, 2), more: small }),
    shapes: ({ shape }) => [shape],
    ours: ([x], { shape, more }) => ops.tile(x!, [more, ...shape.map(() => 2)]),
    args: ([x], { shape, more }) => [x!, [more, ...shape.map(() => 2)]],
  }),
  repeatInterleave: property("repeat_interleave.self_int", {
    setting: fc.record({ at: someDim, count: small, isFlat: fc.boolean() }),
    shapes: ({ at }) => [at.shape],
    ours: ([x], { at, count, isFlat }) => ops.repeatInterleave(x!, count, isFlat ? null : at.dim),
    args: ([x], { at, count, isFlat }) => [x!, count, isFlat ? null : at.dim],
  }),
};
