import type { Runtime } from "../../tensor/runtime.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { record } from "../graph.ts";

/** Adds a function of one tensor to the graph, whose gradient needs one tensor: its input or its output. */
export function recordPointwise(
  name: string,
  x: Tensor,
  y: Tensor,
  saved: Tensor,
  gradient: (runtime: Runtime, gradient: Tensor, saved: Tensor) => Tensor,
): Tensor {
  record(name, [x], [y], [[saved, 0]], (node) => [gradient(node.runtime, node.gradient, node.saved(0))]);
  return y;
}
