/**
 * How an operation enters the graph: its inputs, its outputs, what to save, and the rule for its gradients.
 *
 * A rule should read as its formula. For `y = a * b`, with `da = dy * b` and `db = dy * a`:
 *
 *     record("mul", { a, b }, y, { a: [a, "b"], b: [b, "a"] }, (dy, { a, b }) => ({
 *       a: () => kernels.mul(dy, b),
 *       b: () => kernels.mul(dy, a),
 *     }));
 *
 * Inputs and saved tensors have names. `a: [a, "b"]` saves a for the gradient of b: it is not saved when b
 * needs no gradient, and freed once b has it. A tensor without such a list is saved for all gradients. A
 * gradient given as a function is computed only if its half of the backward is running, so that a rule never
 * asks what is wanted. The compiler checks all names.
 *
 * This is the form for our own rules, which tests compare with LibTorch. Rules of other programs come through
 * custom-function.ts, which checks what they give.
 *
 * Inputs that are a list, such as those of `cat`, have positions for names; lists take the place of objects
 * everywhere.
 */
import * as kernels from "../tensor/kernels/index.ts";
import type { Runtime } from "../tensor/runtime.ts";
import type { Suspendable } from "../tensor/suspension.ts";
import type { Tensor } from "../tensor/tensor.ts";
import {
  type Edge,
  type Gradient,
  History,
  historyOf,
  Leaf,
  Node,
  type Rule,
  WITHOUT_GRADIENT,
} from "./graph.ts";
import { INPUTS, WEIGHTS } from "./halves.ts";
import { checkGradientKept, LostHistory } from "./lost-gradient.ts";
import { type NamedSave, type Save, type SavedLifetime, SavedTensors } from "./saved-tensors.ts";

/**
 * What a rule gets: the saved tensors by their names. One that no wanted gradient needs is null or disposed,
 * whatever its type says.
 */
export type Saved<Saves> = { readonly [name in keyof Saves]: SavedTensor<Saves[name]> };

type SavedTensor<Save> = Save extends readonly [infer First, ...unknown[]]
  ? SavedTensor<First>
  : null extends Save
    ? Tensor | null
    : Tensor;

/** The gradients of all inputs; null for one that never has a gradient. */
export type Gradients<InputName extends string> = { readonly [name in InputName]: Gradient };

/** A rule over lists: gradients by the positions of the inputs, `node.saved(i)` by those of the saves. */
export type Differentiate = (node: Node) => readonly Gradient[] | Suspendable<readonly Gradient[]>;

export interface RecordOptions {
  /** The outputs depend on a stage's inputs by a tensor that is not among the operation's inputs. */
  readonly dependsOnStageInput?: boolean | undefined;
  /** I visits the node even if none of its inputs needs a gradient. */
  readonly alwaysRuns?: boolean | undefined;
  readonly lifetime?: SavedLifetime | undefined;
  /** Is freed after the last half in which the node runs. */
  readonly resource?: Disposable | undefined;
}

/**
 * Adds an operation to the graph, if a gradient flows through any of its inputs.
 * @param inputs All tensors that the outputs are computed from. Those without a gradient, such as indices,
 *   decide with the others whether the outputs depend on a stage's inputs.
 * @param saves Taken over: do not use the object afterwards.
 * @param differentiate The rule: a generator if it communicates. `dy` is the gradient of the first output;
 *   those of several outputs are in `node.gradients`, null where none arrived.
 * @returns The outputs.
 * @throws AutogradError when an operator without `record` computed one of the inputs, so that its gradient is lost
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
  options?: RecordOptions,
): Outputs;
/** The same for inputs that have no names. */
export function record<Outputs extends Tensor | readonly Tensor[]>(
  name: string,
  inputs: readonly (Tensor | null)[],
  outputs: Outputs,
  saves: readonly Save[],
  differentiate: Differentiate,
  options?: RecordOptions,
): Outputs;
export function record(
  name: string,
  inputs: Readonly<Record<string, Tensor | null>> | readonly (Tensor | null)[],
  outputs: Tensor | readonly Tensor[],
  saves: Readonly<Record<string, NamedSave<string>>> | readonly Save[],
  differentiate: (...args: never) => unknown,
  options: RecordOptions = NO_OPTIONS,
): Tensor | readonly Tensor[] {
  const inputKeys = isList(inputs) ? undefined : Object.keys(inputs);
  const inputList = isList(inputs) ? inputs : Object.values(inputs);
  const outputList = isList(outputs) ? outputs : [outputs];
  const { runtime } = outputList[0]!;
  const records = runtime.gradEnabled;
  const { alwaysRuns = false, lifetime = alwaysRuns ? "first run" : "needed" } = options;
  let { dependsOnStageInput = false } = options;
  const edges = new Array<Edge | undefined>(inputList.length);
  let hasEdge = false;
  for (let i = 0; i < edges.length; i++) {
    const input = inputList[i] ?? null;
    const history = input === null ? undefined : historyOf(input);
    if (history?.dependsOnStageInput) dependsOnStageInput = true;
    const edge = records && history !== undefined ? edgeAlong(history) : undefined;
    if (edge !== undefined) hasEdge = true;
    else if (records && input?.history instanceof LostHistory)
      checkGradientKept(input, `${name}: input ${inputKeys?.[i] ?? i}`);
    edges[i] = edge;
  }
  if (!hasEdge && !(alwaysRuns && records)) {
    passWithoutGradient(runtime, inputList, outputList, dependsOnStageInput);
    return outputs;
  }
  const saved =
    inputKeys === undefined
      ? SavedTensors.byPosition(saves as readonly Save[], edges, lifetime, options.resource)
      : SavedTensors.byName(
          saves as Readonly<Record<string, NamedSave<string>>>,
          inputKeys,
          edges,
          lifetime,
          options.resource,
        );
  const rule: Rule =
    inputKeys === undefined
      ? (_dy, _saved, node) => (differentiate as Differentiate)(node)
      : (differentiate as Rule);
  const node = new Node(runtime, name, inputKeys, edges, outputList.length, saved, rule, alwaysRuns);
  for (let i = 0; i < outputList.length; i++)
    outputList[i]!.history = new History(node, i, dependsOnStageInput);
  return outputs;
}

/** Notes an operation through which no gradient flows, or the outputs of one through which none does. */
export function passWithoutGradient(
  runtime: Runtime,
  inputs: readonly (Tensor | null)[],
  outputs: readonly Tensor[],
  dependsOnStageInput = inputs.some((input) => input && historyOf(input)?.dependsOnStageInput),
): void {
  if (runtime.usedTensors !== undefined)
    for (const input of inputs) if (input !== null) runtime.usedTensors.add(input);
  for (const output of outputs)
    if (dependsOnStageInput) output.history = WITHOUT_GRADIENT;
    else if (output.history instanceof LostHistory) output.history = undefined;
}

const NO_OPTIONS: RecordOptions = Object.freeze({});

function isList<T>(value: T | readonly T[] | Readonly<Record<string, T>>): value is readonly T[] {
  return Array.isArray(value);
}

function edgeAlong({ source, outputIndex, dependsOnStageInput }: History): Edge | undefined {
  if (source === undefined || (source instanceof Leaf && !source.requiresGrad)) return undefined;
  return { target: source, outputIndex, half: dependsOnStageInput ? INPUTS : WEIGHTS };
}

/**
 * Makes a plain tensor a leaf whose gradient W computes, as if it were a parameter. The caller owns `grad` of
 * the leaf.
 */
export function variable(tensor: Tensor): Leaf {
  const leaf = new Leaf(true);
  tensor.history = new History(leaf, 0, false);
  return leaf;
}

/** The same elements as a tensor through which no gradient flows. */
export function detach(tensor: Tensor): Tensor {
  const detached = kernels.detach(tensor);
  if (historyOf(tensor)?.dependsOnStageInput) detached.history = WITHOUT_GRADIENT;
  return detached;
}

/** Marks a tensor as an input of a stage: I computes its gradient, if it is to have one, and W what remains. */
export function markInput(tensor: Tensor, needsGrad: boolean): Leaf | undefined {
  const leaf = needsGrad ? new Leaf(true) : undefined;
  tensor.history = new History(leaf, 0, true);
  return leaf;
}
