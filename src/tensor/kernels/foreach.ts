import { operator } from "../native-operator.ts";
import type { Tensor } from "../tensor.ts";

const ADD_LIST = operator("aten::_foreach_add_", "List");
const ADD_SCALAR = operator("aten::_foreach_add_", "Scalar");
const ADDCDIV = operator("aten::_foreach_addcdiv_", "Scalar");
const ADDCMUL = operator("aten::_foreach_addcmul_", "Scalar");
const MUL = operator("aten::_foreach_mul_", "Scalar");
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

/** The square root of each. */
export function squareRoots(x: Tensors): Tensor[] {
  return x.length === 0 ? [] : (x[0]!.runtime.kernelMany(SQRT, x) as Tensor[]);
}
