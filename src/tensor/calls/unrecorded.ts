/**
 * Gradients that would end in a call which nothing records.
 *
 * `runtime.call` runs an operator and knows nothing of gradients; `record` then says how the gradient goes on. Without
 * it the result is a tensor like any other, its gradient ends there, and a model trains with a part that is cut off.
 * LibTorch would notice, because its autograd wraps every operator. Ours must not cost that.
 *
 * So a call leaves a mark in the history of its results, with the operator's name, if an argument has a history that
 * needs a gradient. `record` replaces the mark. Where a gradient should flow through a marked tensor, it is reported
 * (autograd/lost-gradient.ts). Kernels of our own operators are not called this way.
 */

import type { Operator } from "../native-operator.ts";
import { Tensor, type TensorHistory } from "../tensor.ts";
import type { Argument } from "./native-arguments.ts";

/** A gradient that ends in a call. */
export interface LostGradient {
  /** Marks the results, and what the call has overwritten. */
  mark(results: Tensor | readonly (Tensor | null)[]): void;
}

/**
 * The gradient that ends in a call with these arguments, if one does. Look before the call, which replaces them.
 * @param written What the operator overwrites: one tensor, or a list for the operators on many.
 */
export function lostGradient(
  op: Operator,
  args: readonly Argument[],
  written: Argument | undefined,
): LostGradient | undefined {
  for (let i = 0; i < args.length; i++) {
    const argument = args[i];
    if (argument instanceof Tensor ? argument.history !== undefined : Array.isArray(argument))
      return lostThroughHistories(op, args, written);
  }
  return undefined;
}

function lostThroughHistories(
  op: Operator,
  args: readonly Argument[],
  written: Argument | undefined,
): LostGradient | undefined {
  const lost = op.ignoresElements ? undefined : lostHistory(op, args, written);
  if (lost === undefined) return undefined;
  return {
    mark(results) {
      if (results instanceof Tensor) results.history = lost;
      else for (const tensor of tensorsIn(results)) tensor.history = lost;
      if (written !== undefined) for (const tensor of tensorsIn(written)) tensor.history ??= lost;
    },
  };
}

/** Notes a change of what an operator overwrites: one tensor, or a list for the operators on many. */
export function beginChange(op: Operator, written: Argument | undefined): void {
  if (written instanceof Tensor) written.beginChange(op.name);
  else for (const tensor of tensorsIn(written)) tensor.beginChange(op.name);
}

/** The history of what an operator computes from these arguments, except from what it overwrites. */
function lostHistory(
  op: Operator,
  args: readonly Argument[],
  written: Argument | undefined,
): TensorHistory | undefined {
  for (let i = 0; i < args.length; i++) {
    const argument = args[i];
    if (argument === written) continue;
    let lost: TensorHistory | undefined;
    if (argument instanceof Tensor) lost = argument.history?.lostBy(op.name, argument);
    else if (Array.isArray(argument)) lost = lostHistory(op, argument, undefined);
    if (lost !== undefined) return lost;
  }
  return undefined;
}

function tensorsIn(value: unknown): readonly Tensor[] {
  if (value instanceof Tensor) return [value];
  return Array.isArray(value) ? value.filter((each) => each instanceof Tensor) : [];
}
