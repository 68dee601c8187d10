import { operator } from "../native-operator.ts";
import type { Tensor } from "../tensor.ts";

const ADD_LIST = operator("aten::_foreach_add_", "List");
const SUM = operator("aten::_foreach_add", "List");
const PRODUCT = operator("aten::_foreach_mul", "Scalar");
const ADD_SCALAR = operator("aten::_foreach_add_", "Scalar");
const ADDCDIV = operator("aten::_foreach_addcdiv_", "Scalar");
const ADDCMUL = operator("aten::_foreach_addcmul_", "Scalar");
const MUL = operator("aten::_foreach_mul_", "Scalar");
const COPY = operator("aten::_foreach_copy_");
const FUSED_ADAMW = operator("aten::_fused_adamw_");
const ZERO = operator("aten::_foreach_zero_");
const SQRT = operator("aten::_foreach_sqrt");

type Tensors = readonly Tensor[];

/** `x *= factor`, for each; nothing for an empty list, as in all functions of this file. */
export function scaleEach(x: Tensors, factor: number): void {
  x[0]?.runtime.kernelInPlace(MUL, x, factor);
}

/** `x += factor y`, for each. */
export function addEach(x: Tensors, y: Tensors, factor: number): void {
  x[0]?.runtime.kernelInPlace(ADD_LIST, x, y, factor);
}

/** `x += value`, for each. */
export function addNumberToEach(x: Tensors, value: number): void {
  x[0]?.runtime.kernelInPlace(ADD_SCALAR, x, value);
}

/** `x += factor a b`, for each. */
export function addProductToEach(x: Tensors, a: Tensors, b: Tensors, factor: number): void {
  x[0]?.runtime.kernelInPlace(ADDCMUL, x, a, b, factor);
}

/** `x += factor a / b`, for each. */
export function addQuotientToEach(x: Tensors, a: Tensors, b: Tensors, factor: number): void {
  x[0]?.runtime.kernelInPlace(ADDCDIV, x, a, b, factor);
}

/** `x + factor y`, for each, as new tensors. */
export function sums(x: Tensors, y: Tensors, factor: number): Tensor[] {
  return x.length === 0 ? [] : (x[0]!.runtime.kernelMany(SUM, x, y, factor) as Tensor[]);
}

/** `factor x`, for each, as new tensors. */
export function products(x: Tensors, factor: number): Tensor[] {
  return x.length === 0 ? [] : (x[0]!.runtime.kernelMany(PRODUCT, x, factor) as Tensor[]);
}

/** The square root of each. */
export function squareRoots(x: Tensors): Tensor[] {
  return x.length === 0 ? [] : (x[0]!.runtime.kernelMany(SQRT, x) as Tensor[]);
}

/** `x = y`, for each, rounded to the dtype of x. */
export function roundEach(x: Tensors, y: Tensors): void {
  const runtime = x[0]?.runtime;
  if (runtime?.device.kind === "cuda") {
    runtime.kernelInPlace(COPY, x, y);
    return;
  }
  // LibTorch has `_foreach_copy_` from 2.1 on.
  runtime?.kernelInPlace(ZERO, x);
  addEach(x, y, 1);
}

/** What a step of AdamW is made of; lists have one tensor for each weight. */
export interface AdamWStep {
  readonly weights: Tensors;
  readonly gradients: Tensors;
  readonly means: Tensors;
  readonly squareMeans: Tensors;
  /** The step, from 1, float32 []. */
  readonly step: Tensor;
  readonly learningRate: number;
  readonly betas: readonly [number, number];
  readonly weightDecay: number;
  readonly eps: number;
}

/** A step of AdamW in one pass over each weight, on a card. */
export function fusedAdamW(each: AdamWStep): void {
  const { weights, gradients, means, squareMeans, step, learningRate, betas, weightDecay, eps } = each;
  const steps = weights.map(() => step);
  const lists = [gradients, means, squareMeans, [], steps];
  const [usesAmsgrad, maximizes, gradientScale, foundInfinity] = [false, false, null, null];
  weights[0]?.runtime.kernelInPlace(
    FUSED_ADAMW,
    weights,
    ...lists,
    learningRate,
    ...betas,
    weightDecay,
    eps,
    usesAmsgrad,
    maximizes,
    gradientScale,
    foundInfinity,
  );
}
