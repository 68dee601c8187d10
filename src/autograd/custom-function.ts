/**
 * `record` for programs: the same as our own rules use (record.ts), with two differences.
 *
 * What the rule gives is checked, because a gradient of a wrong shape would change a parameter without a word:
 * `p -= rate * gradient` broadcasts. As in PyTorch, a gradient that is larger than its input by broadcasting is
 * summed to the input's shape, and one of another dtype is converted. Anything else is an error.
 *
 * And a rule may compute all gradients whenever it runs: what it saved stays until it has run for the last time,
 * even where the gradient that needs it is not wanted. Our own rules free a tensor as soon as no wanted gradient
 * needs it, and so must compute a gradient only where it is wanted.
 */
import { describe } from "../tensor/shape.ts";
import { isGenerator, type Suspendable } from "../tensor/suspension.ts";
import { Tensor } from "../tensor/tensor.ts";
import { AutogradError } from "./autograd-error.ts";
import { type Gradient, type InputGradients, type Key, Leaf, type Node, requiresGrad } from "./graph.ts";
import { formOf, type InputForm, reduceTo } from "./operators/broadcast.ts";
import {
  type Differentiate,
  type Gradients,
  type RecordOptions,
  record as recordUnchecked,
  type Saved,
} from "./record.ts";
import type { NamedSave, Save } from "./saved-tensors.ts";

/**
 * Adds an operation to the graph, if a gradient flows through any of its inputs. `gradcheck` tests its rule.
 * @param inputs All tensors that the outputs are computed from. Those without a gradient, such as indices,
 *   decide with the others whether the outputs depend on a stage's inputs.
 * @param saves Taken over: do not use the object afterwards.
 * @param differentiate The rule: a generator if it communicates. `dy` is the gradient of the first output;
 *   those of several outputs are in `node.gradients`, null where none arrived. A gradient given as a function is
 *   computed only where it is wanted. A gradient larger than its input by broadcasting is summed, and one of
 *   another dtype is converted.
 * @returns The outputs.
 * @throws AutogradError when an operator without `record` computed one of the inputs, so that its gradient is lost;
 *   in the backward, when a gradient cannot be that of its input
 * @example
 * const y = runtime.call(operator("aten::expm1"), x); // dx = dy (y + 1)
 * return record("expm1", { x }, y, { y }, (dy, { y }) => ({ x: add(mul(dy, y), dy) }));
 */
export function record<
  InputName extends string,
  Outputs extends Tensor | readonly Tensor[],
  Saves extends Readonly<Record<string, NamedSave<InputName>>>,
>(
  name: string,
  inputs: Readonly<Record<InputName, Tensor | null>>,
  outputs: Outputs,
  saves: Saves,
  differentiate: (
    dy: Tensor,
    saved: Saved<Saves>,
    node: Node<InputName>,
  ) => Gradients<InputName> | Suspendable<Gradients<InputName>>,
): Outputs;
/**
 * The same for inputs that have no names.
 * @param dependsOnStageInput The outputs depend on a stage's inputs by a tensor that is not among `inputs`.
 * @param alwaysRuns The rule runs even if none of the inputs needs a gradient.
 */
export function record<Outputs extends Tensor | readonly Tensor[]>(
  name: string,
  inputs: readonly (Tensor | null)[],
  outputs: Outputs,
  saves: readonly Save[],
  differentiate: Differentiate,
  dependsOnStageInput?: boolean,
  alwaysRuns?: boolean,
): Outputs;
export function record(
  name: string,
  inputs: Readonly<Record<string, Tensor | null>> | readonly (Tensor | null)[],
  outputs: Tensor | readonly Tensor[],
  saves: Readonly<Record<string, NamedSave<string>>> | readonly Save[],
  differentiate: (...args: never) => unknown,
  dependsOnStageInput = false,
  alwaysRuns = false,
): Tensor | readonly Tensor[] {
  const checked = checkedRule(name, inputs, differentiate as AnyRule);
  const options: RecordOptions = { dependsOnStageInput, alwaysRuns, lifetime: "whole" };
  return recordUnchecked(name, inputs as [], outputs, saves as [], checked as Differentiate, options);
}

type AnyRule = (...args: unknown[]) => InputGradients | Suspendable<InputGradients>;

/** One input of a custom function, and what its gradient must look like. */
interface Input {
  readonly key: Key;
  /** Undefined where no gradient flows. */
  readonly form: InputForm | undefined;
}

function checkedRule(
  name: string,
  inputs: Readonly<Record<string, Tensor | null>> | readonly (Tensor | null)[],
  rule: AnyRule,
): AnyRule {
  const isList = Array.isArray(inputs);
  const checks: Input[] = Object.entries(inputs).map(([key, tensor]: [string, Tensor | null]) => ({
    key: isList ? Number(key) : key,
    form: tensor !== null && requiresGrad(tensor) ? formOf(tensor) : undefined,
  }));
  return (...args) => {
    const node = args[isList ? 0 : 2] as Node;
    const result = rule(...args);
    return isGenerator(result)
      ? checkedLater(name, node, checks, result)
      : checkedGradients(name, node, checks, result);
  };
}

function* checkedLater(
  name: string,
  node: Node,
  inputs: readonly Input[],
  gradients: Suspendable<InputGradients>,
): Suspendable<InputGradients> {
  return checkedGradients(name, node, inputs, yield* gradients);
}

function checkedGradients(
  name: string,
  node: Node,
  inputs: readonly Input[],
  gradients: InputGradients,
): InputGradients {
  checkKeys(name, inputs, gradients);
  const byKey = gradients as Readonly<Record<Key, Gradient | undefined>>;
  const checked = inputs.map(({ key, form }, i): [Key, Gradient] => {
    if (form === undefined || !node.isWanted(i)) return [key, null];
    const check = (gradient: Tensor | null | undefined) =>
      checkedGradient(name, node, i, key, form, gradient);
    const gradient = byKey[key];
    return [key, typeof gradient === "function" ? () => check(gradient()) : check(gradient)];
  });
  return Array.isArray(gradients) ? checked.map(([, gradient]) => gradient) : Object.fromEntries(checked);
}

/** @throws AutogradError unless there is exactly one gradient for each input */
function checkKeys(name: string, inputs: readonly Input[], gradients: unknown): void {
  const isList = typeof inputs[0]?.key !== "string";
  const rule = isList
    ? "a list with one gradient for each input"
    : "an object with one gradient for each input";
  const expected = isList ? `${inputs.length}` : inputs.map(({ key }) => key).join(", ");
  let given = `${gradients instanceof Tensor ? "a tensor" : gradients}`;
  if (isList && Array.isArray(gradients)) given = `${gradients.length}`;
  else if (typeof gradients === "object" && gradients !== null && !(gradients instanceof Tensor))
    given = isList ? "an object" : Object.keys(gradients).join(", ") || "none";
  const isSame = isList
    ? given === expected
    : given.split(", ").sort().join() === expected.split(", ").sort().join();
  if (!isSame)
    throw new AutogradError(
      "GRADIENT_MISMATCH",
      `${name}: its rule must return ${rule} (${expected}), null where there is none; got ${given}`,
    );
}

function checkedGradient(
  name: string,
  node: Node,
  inputIndex: number,
  key: Key,
  form: InputForm,
  gradient: unknown,
): Tensor | null {
  if (gradient === null) return null;
  const rule = `${name}: the gradient of input ${key} must be ${describe(form)}, like the input`;
  if (!(gradient instanceof Tensor))
    throw new AutogradError(
      "GRADIENT_MISMATCH",
      `${rule}; got ${gradient}; give null where there is no gradient`,
    );
  const target = node.edges[inputIndex]?.target;
  if (target instanceof Leaf && target.grad === gradient) return gradient;
  if (!isBroadcastOf(form.shape, gradient.shape))
    throw new AutogradError("GRADIENT_MISMATCH", `${rule}; got ${describe(gradient)}`);
  return reduceTo(form, gradient);
}

/** True when a tensor of the shape `small` can be expanded to `large`. */
function isBroadcastOf(small: readonly number[], large: readonly number[]): boolean {
  const numNew = large.length - small.length;
  return numNew >= 0 && small.every((size, i) => size === 1 || size === large[numNew + i]);
}
