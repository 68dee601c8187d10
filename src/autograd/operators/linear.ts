import { operator } from "../../tensor/native-operator.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { type Node, record } from "../graph.ts";
import { Parameter } from "../parameter.ts";
import { shapeMismatch } from "./shape-mismatch.ts";

const T = operator("aten::t");
const MM = operator("aten::mm");
const MATMUL = operator("aten::matmul");
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
  checkShapes(x, weight, bias);
  const weightT = weight instanceof Parameter ? weight.transposed : runtime.call(T, weight);
  const y = bias === null ? runtime.call(MATMUL, x, weightT) : withBias(x, weightT, bias);
  record(
    "linear",
    [x, weight, bias],
    [y],
    [
      [x, 1],
      [weight, 0],
    ],
    linearBackward,
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

/** One kernel for product and sum, which takes matrices only. */
function withBias(x: Tensor, weightT: Tensor, bias: Tensor): Tensor {
  const { runtime, shape } = x;
  if (shape.length === 2) return runtime.call(ADDMM, bias, x, weightT);
  return runtime.call(RESHAPE, runtime.call(ADDMM, bias, asRows(x), weightT), [
    ...shape.slice(0, -1),
    bias.shape[0]!,
  ]);
}

function linearBackward(node: Node): (Tensor | null)[] {
  const { runtime, gradient } = node;
  const inputGrad = node.wants(0) ? runtime.call(MATMUL, gradient, node.saved(1)) : null;
  if (!node.wants(1) && !node.wants(2)) return [inputGrad, null, null];
  const gradRows = asRows(gradient);
  const weightGrad = node.wants(1) ? weightGradient(node, gradRows, asRows(node.saved(0))) : null;
  const biasGrad = node.wants(2) ? runtime.call(SUM, gradRows, [0]) : null;
  return [inputGrad, weightGrad, biasGrad];
}

/** [rows, features], all other dimensions in one. */
function asRows(x: Tensor): Tensor {
  const { shape } = x;
  return shape.length === 2 ? x : x.runtime.call(RESHAPE, x, [-1, shape[shape.length - 1]!]);
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
