/**
 * Operators whose gradients LibTorch knows, as nodes of our graph.
 *
 * Our own rules are written where they are hot, or where we can keep less than LibTorch does. For everything else,
 * LibTorch's autograd records the one call (native/recording.cpp), and the node asks it for the gradients that its half
 * wants. What LibTorch saved is freed after the last half, since only LibTorch knows which gradient needs it; a rule of
 * our own could free a part of it after I.
 */
import type { Argument } from "../../tensor/calls/native-arguments.ts";
import { type Recording, tensorsOf } from "../../tensor/calls/recording.ts";
import { ArgumentError } from "../../tensor/errors.ts";
import type { Operator } from "../../tensor/native-operator.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { type Node, requiresGrad } from "../graph.ts";
import { checkGradientKept } from "../lost-gradient.ts";
import { passWithoutGradient, record } from "../record.ts";
import type { Save } from "../saved-tensors.ts";

/**
 * Calls any operator of LibTorch that returns one tensor, with its gradient.
 * @param args As its schema says, tensors as tensors; what is left out gets the schema's default.
 * @throws LibTorchError with the schema, when an argument does not fit, when the operator overwrites one, or when it
 *   takes its random numbers from LibTorch's own generator; in the backward, when LibTorch has no gradient for it
 * @example
 * const y = differentiable(operator("aten::cumsum"), runtime.ones([2, 3]), 0);
 */
export function differentiable(op: Operator, ...args: Argument[]): Tensor {
  const results = recorded(op, args);
  const [result] = results;
  if (results.length === 1 && result) return result;
  throw new ArgumentError(
    `${op.name}: differentiable must be given an operator that returns one tensor; this one returned ${results.length}; ` +
      "call it with differentiableMany",
  );
}

/** The same for an operator with several tensors as results, or with a list of them; an undefined one is null. */
export function differentiableMany(op: Operator, ...args: Argument[]): readonly (Tensor | null)[] {
  return recorded(op, args);
}

/** Calls an operator of one result through which no gradient flows, such as a comparison: nothing is recorded. */
export function withoutGradient(op: Operator, ...args: Argument[]): Tensor {
  const inputs = tensorsOf(args);
  const { runtime } = args.find((argument) => argument instanceof Tensor)!;
  const result = runtime.kernel(op, ...args);
  passWithoutGradient(runtime, inputs, [result]);
  return result;
}

function recorded(op: Operator, args: readonly Argument[]): readonly (Tensor | null)[] {
  const inputs = tensorsOf(args);
  const first = inputs.find((input) => input !== null);
  if (!first)
    throw new ArgumentError(
      `${op.name}: differentiable must be given at least one tensor; without one, there is no gradient: use runtime.call`,
    );
  const { runtime } = first;
  const isWanted = inputs.map((input, i) => {
    if (input === null || !runtime.gradEnabled) return false;
    checkGradientKept(input, `${op.name}: input ${i}`);
    return requiresGrad(input);
  });
  const { results, isDifferentiable, kept, recording } = runtime.recordCall(op, args, inputs, isWanted);
  const outputs: Tensor[] = [];
  const others: Tensor[] = [];
  for (const [i, result] of results.entries())
    if (result !== null) (isDifferentiable[i] ? outputs : others).push(result);
  if (others.length > 0) passWithoutGradient(runtime, inputs, others);
  if (outputs.length === 0) {
    recording[Symbol.dispose]();
    return results;
  }
  const saves = kept.map((tensor): Save => [tensor]);
  const gradientsOf = (node: Node) => gradientsIn(node, recording, isDifferentiable);
  record(op.name, inputs, outputs, saves, gradientsOf, { resource: recording, lifetime: "whole" });
  return results;
}

/** The gradients that a visit wants, by the positions of the inputs. */
function gradientsIn(
  node: Node,
  recording: Recording,
  isDifferentiable: readonly boolean[],
): readonly (Tensor | null)[] {
  let numArrived = 0;
  const arrived = isDifferentiable.map((each) => (each ? node.gradients[numArrived++]! : null));
  const wanted: number[] = [];
  for (let i = 0; i < node.edges.length; i++) if (node.isWanted(i)) wanted.push(i);
  const found = recording.gradients(arrived, wanted);
  const gradients = new Array<Tensor | null>(node.edges.length).fill(null);
  for (let i = 0; i < wanted.length; i++) gradients[wanted[i]!] = found[i]!;
  return gradients;
}
