import { operator } from "../../tensor/operator.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { type Node, record } from "../graph.ts";
import { Parameter } from "../parameter.ts";
import { shapeMismatch } from "./shape-mismatch.ts";

const T = operator("aten::t");
const MM = operator("aten::mm");
const ADDMM = operator("aten::addmm");
const ADDMM_INPLACE = operator("aten::addmm_");
const RESHAPE = operator("aten::reshape");
const SUM = operator("aten::sum", "dim_IntList");

/**
 * `x W^T + b`.
 * @param x [..., in]
 * @param weight [out, in]
 * @param bias [out], or null
 * @returns [..., out]
 */
export function linear(x: Tensor, weight: Tensor, bias: Tensor | null = null): Tensor {
  const { runtime } = x;
  const { shape } = x;
  checkShapes(x, weight, bias);
  const rows = shape.length === 2 ? x : runtime.call(RESHAPE, x, [-1, shape[shape.length - 1]!]);
  const weightT = weight instanceof Parameter ? weight.transposed : runtime.call(T, weight);
  const product = bias === null ? runtime.call(MM, rows, weightT) : runtime.call(ADDMM, bias, rows, weightT);
  const y =
    shape.length === 2 ? product : runtime.call(RESHAPE, product, [...shape.slice(0, -1), weight.shape[0]!]);
  record(
    "linear",
    [x, weight, bias],
    [y],
    [
      [rows, 1],
      [weight, 0],
    ],
    (node) => linearBackward(node, shape, weight.shape[0]!),
  );
  return y;
}

function checkShapes(x: Tensor, weight: Tensor, bias: Tensor | null): void {
  const [outSize, inSize] = weight.shape;
  const fits = weight.shape.length === 2 && x.shape.length > 0 && x.shape[x.shape.length - 1] === inSize;
  if (fits && (bias === null || (bias.shape.length === 1 && bias.shape[0] === outSize))) return;
  throw shapeMismatch("linear", "x must be [..., in], weight [out, in] and bias [out]", {
    x,
    weight,
    ...(bias === null ? {} : { bias }),
  });
}

function linearBackward(node: Node, inputShape: readonly number[], outSize: number): (Tensor | null)[] {
  const { runtime, gradient } = node;
  const rows = inputShape.length === 2 ? gradient : runtime.call(RESHAPE, gradient, [-1, outSize]);
  let inputGrad: Tensor | null = null;
  if (node.wants(0)) {
    inputGrad = runtime.call(MM, rows, node.saved(1));
    if (inputShape.length !== 2) inputGrad = runtime.call(RESHAPE, inputGrad, inputShape);
  }
  const weightGrad = node.wants(1) ? weightGradient(node, rows, node.saved(0)) : null;
  const biasGrad = node.wants(2) ? runtime.call(SUM, rows, [0]) : null;
  return [inputGrad, weightGrad, biasGrad];
}

/** Inside the matrix product that makes it, the gradient is added to the sum so far: no temporary of the weight's size. */
function weightGradient(node: Node, gradRows: Tensor, inputRows: Tensor): Tensor {
  const { runtime } = node;
  const gradT = runtime.call(T, gradRows);
  const sum = node.accumulator(1);
  if (sum === null) return runtime.call(MM, gradT, inputRows);
  runtime.callInPlace(ADDMM_INPLACE, sum, gradT, inputRows);
  return sum;
}
