import { operator } from "../../tensor/native-operator.ts";
import type { Runtime } from "../../tensor/runtime.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { record } from "../graph.ts";
import { dimension } from "./shape-mismatch.ts";

const SUM = operator("aten::sum", "dim_IntList");
const MEAN = operator("aten::mean", "dim");
const RESHAPE = operator("aten::reshape");
const EXPAND = operator("aten::expand");
const CLONE = operator("aten::clone");
const DIV_NUMBER = operator("aten::div", "Scalar");
const ROW_MAJOR = 0;

/** The sum over some dimensions, or over all (`dims` null); `keepDims` leaves them with size 1. */
export function sum(x: Tensor, dims: readonly number[] | null = null, keepDims = false): Tensor {
  const y = x.runtime.call(SUM, x, dims, keepDims);
  const { shape } = x;
  const kept = keptShape("sum", x, dims);
  // A copy, because an expanded view cannot take further gradients in place.
  record("sum", [x], [y], [], (node) => [
    node.runtime.call(CLONE, repeat(node.runtime, node.gradient, kept, shape), ROW_MAJOR),
  ]);
  return y;
}

/** The mean over some dimensions, or over all (`dims` null); `keepDims` leaves them with size 1. */
export function mean(x: Tensor, dims: readonly number[] | null = null, keepDims = false): Tensor {
  const y = x.runtime.call(MEAN, x, dims, keepDims);
  const { shape } = x;
  const kept = keptShape("mean", x, dims);
  const numSummed = shape.reduce((product, size, i) => (kept[i] === size ? product : product * size), 1);
  record("mean", [x], [y], [], (node) => [
    node.runtime.call(DIV_NUMBER, repeat(node.runtime, node.gradient, kept, shape), numSummed),
  ]);
  return y;
}

/** The shape with its reduced dimensions as 1: all of them for null, and, as in LibTorch, for an empty list. */
function keptShape(name: string, x: Tensor, dims: readonly number[] | null): number[] {
  if (dims === null || dims.length === 0) return x.shape.map(() => 1);
  const reduced = new Set(dims.map((dim) => dimension(name, x, dim)));
  return x.shape.map((size, i) => (reduced.has(i) ? 1 : size));
}

function repeat(
  runtime: Runtime,
  gradient: Tensor,
  kept: readonly number[],
  shape: readonly number[],
): Tensor {
  return runtime.call(EXPAND, runtime.call(RESHAPE, gradient, kept), shape);
}
