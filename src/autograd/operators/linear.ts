import { checkTensor } from "../../tensor/argument.ts";
import * as kernels from "../../tensor/kernels/index.ts";
import { shapeMismatch } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { Node } from "../graph.ts";
import { Parameter } from "../parameter.ts";
import { record } from "../record.ts";

/**
 * `x W^T + b`.
 * @param x [..., in]
 * @param weight [out, in]
 * @param bias [out], or null
 * @returns [..., out]
 */
export function linear(x: Tensor, weight: Tensor, bias: Tensor | null = null): Tensor {
  checkTensor("linear", "x", x);
  checkTensor("linear", "weight", weight);
  checkShapes(x, weight, bias);
  const weightT = weight instanceof Parameter ? weight.transposed : kernels.t(weight);
  const y = bias === null ? kernels.matmul(x, weightT) : withBias(x, weightT, bias);
  const saves = { x: [x, "weight"], weight: [weight, "x"] } as const;
  return record("linear", { x, weight, bias }, y, saves, (dy, { x, weight }, node) => {
    const dyRows = node.wants("weight") || node.wants("bias") ? asRows(dy) : dy;
    return {
      x: () => kernels.matmul(dy, weight), // dx = dy W
      weight: () => addProduct(node, kernels.t(dyRows), asRows(x)), // dW = dy^T x
      bias: () => kernels.sum(dyRows, [0]), // db = the sum of the rows of dy
    };
  });
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
  const { shape } = x;
  if (shape.length === 2) return kernels.addmm(bias, x, weightT);
  return kernels.reshape(kernels.addmm(bias, asRows(x), weightT), [...shape.slice(0, -1), bias.shape[0]!]);
}

/** [rows, features], all other dimensions in one. */
function asRows(x: Tensor): Tensor {
  const { shape } = x;
  return shape.length === 2 ? x : kernels.reshape(x, [-1, shape[shape.length - 1]!]);
}

/**
 * The product, added to the sum so far of the weight's gradient as it is computed: no temporary of the weight's
 * size.
 */
function addProduct(node: Node<"weight">, left: Tensor, right: Tensor): Tensor {
  const { device } = left.runtime;
  const canWiden = device.kind === "cuda" && left.dtype === "bfloat16";
  const sum = node.accumulator("weight", canWiden);
  if (sum === null) return kernels.mm(left, right);
  if (sum.dtype === left.dtype) kernels.addmm_(sum, left, right);
  else kernels.addmmWide_(sum, left, right);
  return sum;
}
