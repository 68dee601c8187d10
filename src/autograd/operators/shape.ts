import * as kernels from "../../tensor/kernels/index.ts";
import { dimension } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { record } from "../record.ts";
import { formOf, reduceTo } from "./broadcast.ts";

/** The same elements in row-major order as another shape: a view where that is possible. One size may be -1. */
export function reshape(x: Tensor, shape: readonly number[]): Tensor {
  const y = kernels.reshape(x, shape);
  const inputShape = x.shape;
  return record("reshape", { x }, y, {}, (dy) => ({ x: kernels.reshape(dy, inputShape) }));
}

/** Removes a dimension of size 1; any other is left as it is. */
export function squeeze(x: Tensor, dim: number): Tensor {
  const at = dimension("squeeze", x, dim);
  return reshape(
    x,
    x.shape.filter((size, i) => i !== at || size !== 1),
  );
}

/** Adds a dimension of size 1 in front of dimension `dim` (at the end for -1). */
export function unsqueeze(x: Tensor, dim: number): Tensor {
  const at = dimension("unsqueeze", x, dim, x.shape.length + 1);
  return reshape(x, x.shape.toSpliced(at, 0, 1));
}

/** Makes one dimension of those from `first` to `last`. */
export function flatten(x: Tensor, first = 0, last = -1): Tensor {
  const { shape } = x;
  const start = dimension("flatten", x, first);
  const end = dimension("flatten", x, last) + 1;
  const size = shape.slice(start, end).reduce((a, b) => a * b, 1);
  return reshape(x, [...shape.slice(0, start), size, ...shape.slice(end)]);
}

/** A view with two dimensions exchanged. */
export function transpose(x: Tensor, dimA: number, dimB: number): Tensor {
  const y = kernels.transpose(x, dimA, dimB);
  return record("transpose", { x }, y, {}, (dy) => ({ x: kernels.transpose(dy, dimA, dimB) }));
}

/** A view with its dimensions in another order: dimension i of the result is dimension `dims[i]` of x. */
export function permute(x: Tensor, dims: readonly number[]): Tensor {
  const y = kernels.permute(x, dims);
  const inverse = new Array<number>(dims.length);
  dims.forEach((dim, i) => {
    inverse[dimension("permute", x, dim)] = i;
  });
  return record("permute", { x }, y, {}, (dy) => ({ x: kernels.permute(dy, inverse) }));
}

/** A view in which dimensions of size 1 are repeated, and new ones may stand in front; -1 keeps a size. */
export function expand(x: Tensor, shape: readonly number[]): Tensor {
  const y = kernels.expand(x, shape);
  const form = formOf(x);
  return record("expand", { x }, y, {}, (dy) => ({ x: reduceTo(form, dy) }));
}

/** The same tensor in row-major order in memory: x itself when it is so already. */
export function contiguous(x: Tensor): Tensor {
  const y = kernels.contiguous(x);
  return record("contiguous", { x }, y, {}, (dy) => ({ x: dy }));
}
