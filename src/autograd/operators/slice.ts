import { dtypeCode } from "../../tensor/dtype.ts";
import { ShapeError } from "../../tensor/errors.ts";
import { operator } from "../../tensor/native-operator.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { record } from "../graph.ts";
import { dimension, shapeMismatch } from "./shape-mismatch.ts";

const SLICE = operator("aten::slice", "Tensor");
const SLICE_BACKWARD = operator("aten::slice_backward");
const SELECT = operator("aten::select", "int");
const SELECT_BACKWARD = operator("aten::select_backward");
const NARROW = operator("aten::narrow");
const SPLIT = operator("aten::split_with_sizes");
const CAT = operator("aten::cat");
const STACK = operator("aten::stack");
const UNBIND = operator("aten::unbind", "int");
const ZEROS = operator("aten::zeros");

/** A view of the positions `start`, `start + step`, ... before `end` of one dimension; negative ones count from its end. */
export function slice(x: Tensor, dim: number, start: number, end = x.shape.at(dim)!, step = 1): Tensor {
  const y = x.runtime.call(SLICE, x, dim, start, end, step);
  const { shape } = x;
  record("slice", [x], [y], [], (node) => [
    node.runtime.call(SLICE_BACKWARD, node.gradient, shape, dim, start, end, step),
  ]);
  return y;
}

/** A view of `length` positions of one dimension. */
export function narrow(x: Tensor, dim: number, start: number, length: number): Tensor {
  const at = dimension("narrow", x, dim);
  const size = x.shape[at]!;
  if (start < 0 || length < 0 || start + length > size)
    throw shapeMismatch("narrow", `${start} + ${length} must be within the ${size} of dimension ${at}`, {
      x,
    });
  return slice(x, at, start, start + length);
}

/** A view of one position of a dimension, which is left out of the result. */
export function select(x: Tensor, dim: number, index: number): Tensor {
  const y = x.runtime.call(SELECT, x, dim, index);
  const { shape } = x;
  record("select", [x], [y], [], (node) => [
    node.runtime.call(SELECT_BACKWARD, node.gradient, shape, dim, index),
  ]);
  return y;
}

/** Views of consecutive parts of a dimension: of these sizes, or of one size, where the last part may be smaller. */
export function split(x: Tensor, size: number | readonly number[], dim = 0): Tensor[] {
  const { runtime, dtype } = x;
  const at = dimension("split", x, dim);
  const total = x.shape[at]!;
  const sizes = typeof size === "number" ? equalParts(total, size) : size;
  if (sizes.reduce((a, b) => a + b, 0) !== total)
    throw shapeMismatch("split", `the sizes [${sizes.join(", ")}] must add up to dimension ${at}`, { x });
  const parts = runtime.callMany(SPLIT, x, sizes, at) as Tensor[];
  const shapes = sizes.map((part) => x.shape.with(at, part));
  record("split", [x], parts, [], (node) => {
    const gradients = node.gradients.map(
      (gradient, i) => gradient ?? runtime.call(ZEROS, shapes[i]!, dtypeCode(dtype)),
    );
    return [runtime.call(CAT, gradients, at)];
  });
  return parts;
}

/** `split` into `numParts` equal parts, of which the last may be smaller, or fewer. */
export function chunk(x: Tensor, numParts: number, dim = 0): Tensor[] {
  const size = x.shape[dimension("chunk", x, dim)]!;
  return split(x, Math.max(1, Math.ceil(size / numParts)), dim);
}

function equalParts(total: number, size: number): number[] {
  if (!(size >= 1)) throw new ShapeError(`split: the size of a part must be at least 1; got ${size}`);
  const numParts = Math.max(1, Math.ceil(total / size));
  return Array.from({ length: numParts }, (_, i) => Math.min(size, total - i * size));
}

/** Edges of a node are bits of a 32-bit number. */
const MAX_INPUTS = 31;

/** Joins tensors along a dimension that they have; all other sizes must agree. */
export function cat(tensors: readonly Tensor[], dim = 0): Tensor {
  const first = nonEmpty("cat", tensors);
  if (tensors.length > MAX_INPUTS)
    return cat(
      groups(tensors).map((group) => cat(group, dim)),
      dim,
    );
  const y = first.runtime.call(CAT, tensors, dim);
  const at = dimension("cat", first, dim);
  const sizes = tensors.map((tensor) => tensor.shape[at]!);
  record("cat", tensors, [y], [], (node) => {
    let start = 0;
    return sizes.map((size, i) => {
      const from = start;
      start += size;
      return node.wants(i) ? node.runtime.call(NARROW, node.gradient, at, from, size) : null;
    });
  });
  return y;
}

/** Joins tensors of one shape along a new dimension. */
export function stack(tensors: readonly Tensor[], dim = 0): Tensor {
  const first = nonEmpty("stack", tensors);
  const at = dimension("stack", first, dim, first.shape.length + 1);
  if (tensors.length > MAX_INPUTS)
    return cat(
      groups(tensors).map((group) => stack(group, at)),
      at,
    );
  const y = first.runtime.call(STACK, tensors, at);
  record("stack", tensors, [y], [], (node) => node.runtime.callMany(UNBIND, node.gradient, at));
  return y;
}

function nonEmpty(name: string, tensors: readonly Tensor[]): Tensor {
  const first = tensors[0];
  if (first === undefined) throw new ShapeError(`${name}: it needs one tensor at least; got none`);
  return first;
}

function groups(tensors: readonly Tensor[]): Tensor[][] {
  const numGroups = Math.ceil(tensors.length / MAX_INPUTS);
  return Array.from({ length: numGroups }, (_, i) => tensors.slice(i * MAX_INPUTS, (i + 1) * MAX_INPUTS));
}
