import { checkTensor } from "../../tensor/argument.ts";
import * as kernels from "../../tensor/kernels/index.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { record } from "../record.ts";
import { formOf, recordBroadcast, reduceTo } from "./broadcast.ts";
import { addScalar, scale } from "./pointwise.ts";

/** `a + b`, elementwise; tensors are broadcast against each other, and a number keeps the dtype of a float tensor. */
export function add(a: Tensor, b: Tensor | number): Tensor;
export function add(a: number, b: Tensor): Tensor;
export function add(a: Tensor | number, b: Tensor | number): Tensor {
  if (typeof a === "number") return addScalar(tensorIn("add", "b", b), a);
  if (typeof b === "number") return addScalar(tensorIn("add", "a", a), b);
  checkTensor("add", "a", a);
  checkTensor("add", "b", b);
  const y = kernels.add(a, b);
  return recordBroadcast("add", { a, b }, y, {}, (dy) => ({ a: () => dy, b: () => dy }));
}

/** `a - b`, elementwise; tensors are broadcast against each other, and a number keeps the dtype of a float tensor. */
export function sub(a: Tensor, b: Tensor | number): Tensor;
export function sub(a: number, b: Tensor): Tensor;
export function sub(a: Tensor | number, b: Tensor | number): Tensor {
  if (typeof a === "number") return subFromNumber(a, tensorIn("sub", "b", b));
  if (typeof b === "number") return subNumber(tensorIn("sub", "a", a), b);
  checkTensor("sub", "a", a);
  checkTensor("sub", "b", b);
  const y = kernels.sub(a, b);
  return recordBroadcast("sub", { a, b }, y, {}, (dy) => ({ a: () => dy, b: () => kernels.neg(dy) }));
}

/** `a * b`, elementwise; tensors are broadcast against each other, and a number keeps the dtype of a float tensor. */
export function mul(a: Tensor, b: Tensor | number): Tensor;
export function mul(a: number, b: Tensor): Tensor;
export function mul(a: Tensor | number, b: Tensor | number): Tensor {
  if (typeof a === "number") return scale(tensorIn("mul", "b", b), a);
  if (typeof b === "number") return scale(tensorIn("mul", "a", a), b);
  checkTensor("mul", "a", a);
  checkTensor("mul", "b", b);
  const y = kernels.mul(a, b);
  return recordBroadcast("mul", { a, b }, y, { a: [a, "b"], b: [b, "a"] }, (dy, { a, b }) => ({
    a: () => kernels.mul(dy, b),
    b: () => kernels.mul(dy, a),
  }));
}

/** `a / b`, elementwise; tensors are broadcast against each other, and a number keeps the dtype of a float tensor. */
export function div(a: Tensor, b: Tensor | number): Tensor;
export function div(a: number, b: Tensor): Tensor;
export function div(a: Tensor | number, b: Tensor | number): Tensor {
  if (typeof a === "number") return divNumber(a, tensorIn("div", "b", b));
  if (typeof b === "number") return divByNumber(tensorIn("div", "a", a), b);
  checkTensor("div", "a", a);
  checkTensor("div", "b", b);
  const y = kernels.div(a, b);
  return recordBroadcast("div", { a, b }, y, { b, y: [y, "b"] }, (dy, { b, y }) => ({
    a: () => kernels.div(dy, b),
    // db = -dy a / b^2 = -dy y / b
    b: () => kernels.mul(kernels.neg(dy), kernels.div(y, b)),
  }));
}

function subNumber(x: Tensor, number: number): Tensor {
  const y = kernels.sub(x, number);
  return record("sub", { x }, y, {}, (dy) => ({ x: dy }));
}

function subFromNumber(number: number, x: Tensor): Tensor {
  const y = kernels.subFrom(x, number);
  return record("sub", { x }, y, {}, (dy) => ({ x: kernels.neg(dy) }));
}

function divByNumber(x: Tensor, number: number): Tensor {
  const y = kernels.div(x, number);
  return record("div", { x }, y, {}, (dy) => ({ x: kernels.div(dy, number) }));
}

function divNumber(number: number, x: Tensor): Tensor {
  const y = kernels.mulScalar(kernels.reciprocal(x), number);
  // dx = -dy number / x^2 = -dy y / x
  return record("div", { x }, y, { x, y }, (dy, { x, y }) => ({
    x: kernels.mul(kernels.neg(dy), kernels.div(y, x)),
  }));
}

/** The larger of a and b, elementwise and broadcast; where they are equal each gets half of the gradient. */
export function maximum(a: Tensor, b: Tensor): Tensor {
  checkTensor("maximum", "a", a);
  checkTensor("maximum", "b", b);
  const y = kernels.maximum(a, b);
  return recordBroadcast("maximum", { a, b }, y, { a, b }, (dy, { a, b }) => ({
    a: () => maximumGradient(dy, a, b),
    b: () => maximumGradient(dy, b, a),
  }));
}

/** dy where x > other, dy / 2 where they are equal, 0 elsewhere. */
function maximumGradient(dy: Tensor, x: Tensor, other: Tensor): Tensor {
  const shared = kernels.where(kernels.eq(x, other), kernels.div(dy, 2), dy);
  return kernels.maskedFill(shared, kernels.lt(x, other), 0);
}

/**
 * a where the condition holds, b elsewhere; all tensors are broadcast against each other.
 * @param condition bool
 */
export function where(condition: Tensor, a: Tensor | number, b: Tensor | number): Tensor {
  const y = kernels.where(tensorIn("where", "condition", condition), a, b);
  const [formA, formB] = [a, b].map((x) => (typeof x === "number" ? undefined : formOf(x)));
  const inputs = { condition, a: orNull(a), b: orNull(b) };
  return record("where", inputs, y, { condition }, (dy, { condition }) => ({
    condition: null,
    a: formA === undefined ? null : () => reduceTo(formA, kernels.where(condition, dy, 0)),
    b: formB === undefined ? null : () => reduceTo(formB, kernels.where(condition, 0, dy)),
  }));
}

function orNull(x: Tensor | number): Tensor | null {
  return typeof x === "number" ? null : x;
}

/** @throws ArgumentError for what a program without types may pass */
function tensorIn(name: string, argument: string, value: unknown): Tensor {
  checkTensor(name, argument, value);
  return value;
}
