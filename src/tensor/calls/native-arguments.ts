/**
 * What an operator is called with, and what it returns, in the native addon's terms.
 *
 * A tensor crosses the boundary as its handle, which is a number. A number that a caller passes in place of a tensor
 * would be the handle of some other tensor, and a tensor in place of a number would be a strange number. So a call says
 * which of its arguments are tensors: one bit for each, added to the operator's number, because one more argument for
 * them would cost time. What is a number and what a tensor is then for the addon to judge: only it has the schema.
 */
import type { Addon, NativeArgument, NativeResult } from "../../native/addon.ts";
import { LibTorchError } from "../errors.ts";
import type { Operator } from "../native-operator.ts";
import { Tensor } from "../tensor.ts";

/** An argument of an operator: its schema's types, with tensors as tensors. Dtypes are passed by `dtypeCode`. */
export type Argument = Tensor | readonly (Tensor | null)[] | NativeArgument;

/** What the addon multiplies the bits of tensor arguments by: it knows at most this many operators. */
const NUM_OPERATORS_MAX = 2 ** 16;

/**
 * Replaces tensors by their handles, in place.
 * @returns Which arguments were tensors, as bits to add to the operator's number: a handle is a number, and only these
 * bits tell it from a number that the caller passed.
 */
export function toNative(op: Operator, args: Argument[]): number {
  let tensorBits = 0;
  for (let i = 0; i < args.length; i++) {
    const argument = args[i];
    if (argument instanceof Tensor) args[i] = argument.handle;
    else if (Array.isArray(argument) && argument.some(isTensor)) args[i] = handlesIn(op, i, argument);
    else continue;
    // A shift by 31 or more would not fit into 32 bits.
    tensorBits += i < 31 ? (1 << i) >>> 0 : 2 ** i;
  }
  return tensorBits * NUM_OPERATORS_MAX;
}

function isTensor(value: unknown): value is Tensor {
  return value instanceof Tensor;
}

/** @throws LibTorchError when a list has something else than tensors in it */
function handlesIn(op: Operator, argumentIndex: number, list: readonly unknown[]): (number | null)[] {
  return list.map((element, i) => {
    if (element instanceof Tensor) return element.handle;
    if (element === null || element === undefined) return null;
    const given =
      typeof element === "number" ? `the number ${element}` : `a value of the type ${typeof element}`;
    throw new LibTorchError(
      "LIBTORCH",
      `${op.name}: the list in argument ${argumentIndex} must have only tensors in it; got ${given} at position ${i}; ` +
        "make it a tensor: runtime.tensor([...])",
    );
  });
}

/** The error for `call`; what was returned is freed. */
export function notOneTensor(addon: Addon, op: Operator, result: NativeResult): LibTorchError {
  free(addon, result);
  const given = Array.isArray(result) ? `${result.length} results; call it with runtime.callMany` : "none";
  return new LibTorchError(
    "LIBTORCH",
    `${op.name}: runtime.call must be given an operator that returns one tensor; this one returns ${given}`,
  );
}

/** The error for `callMany`; what was returned is freed. */
export function notSeveralTensors(addon: Addon, op: Operator, result: NativeResult): LibTorchError {
  free(addon, result);
  return new LibTorchError(
    "LIBTORCH",
    `${op.name}: runtime.callMany must be given an operator that returns several tensors; ` +
      "this one returns one; call it with runtime.call",
  );
}

function free(addon: Addon, result: NativeResult): void {
  if (Array.isArray(result)) for (const each of result) free(addon, each);
  else if (result !== null) addon.free(result);
}
