/**
 * The graph that a forward leaves behind, and how it knows what I and what W compute.
 *
 * A pipeline runs the backward of a stage in two halves: I gives the stage before its gradients as early as possible,
 * and W fills idle time with the gradients of parameters. Where a backward is one walk, each layer has to say how it
 * splits. Here the split is a property of the graph's edges, so every module splits without any annotation:
 *
 * - A stage's inputs, and all tensors that are computed from one of them, depend on the stage's inputs.
 *   Parameters, and tensors that are computed from parameters alone, do not.
 * - A node stands for one operation that ran; each of its edges leads to the maker of one input. An edge to a
 *   tensor that depends on the stage's inputs belongs to I, any other edge to W. That is the edge's half.
 * - A walk takes the edges of one half, or of both. A node with edges of both halves is visited by I and again
 *   by W, with the same gradients and the same saved tensors as in one walk, and so it gives the same bits.
 *
 * Halves are bits, so one number says what still needs a node or a saved tensor, however many inputs the node has.
 * A saved tensor is freed after the last half that needs it: `linear` frees its weight after I and keeps its input
 * for W. A node counts its references (the tensors that it made, later nodes, a backward that starts there), so an
 * abandoned graph frees itself, node by node, once its last output is disposed.
 */
import { InternalError } from "../errors/internal-error.ts";
import type { DType } from "../tensor/dtype.ts";
import type { Runtime } from "../tensor/runtime.ts";
import type { Suspendable } from "../tensor/suspension.ts";
import type { Tensor, TensorHistory } from "../tensor/tensor.ts";
import { AutogradError } from "./autograd-error.ts";
import type { InHalf } from "./halves.ts";
import { LostHistory } from "./lost-gradient.ts";
import type { SavedByKey, SavedTensors } from "./saved-tensors.ts";

/** Where a gradient ends: a parameter, or an input of a stage. */
export class Leaf {
  /** The sum of the gradients that arrived so far; owned by the leaf. */
  grad: Tensor | null = null;
  requiresGrad: boolean;
  /** The dtype of the sum, where it is not that of the gradients. */
  sumDtype: DType | undefined = undefined;
  /** False for a stage's input, or a tensor that was made a leaf for a while. */
  readonly isParameter: boolean;

  constructor(requiresGrad: boolean, isParameter = false) {
    this.requiresGrad = requiresGrad;
    this.isParameter = isParameter;
  }
}

/** What autograd knows about a tensor. */
export class History implements TensorHistory {
  /** The node that made the tensor, or the leaf that the tensor is; neither when no gradient flows. */
  readonly source: Node | Leaf | undefined;
  readonly outputIndex: number;
  /** True for a stage's inputs, indices included, and all that is computed from them; false for parameters. */
  readonly dependsOnStageInput: boolean;

  constructor(source: Node | Leaf | undefined, outputIndex: number, dependsOnStageInput: boolean) {
    this.source = source;
    this.outputIndex = outputIndex;
    this.dependsOnStageInput = dependsOnStageInput;
    if (source instanceof Node) source.retain();
  }

  whyFixed(records: boolean): "graph" | "stage input" | undefined {
    if (this.source instanceof Node) return records ? "graph" : undefined;
    return this.dependsOnStageInput && this !== WITHOUT_GRADIENT ? "stage input" : undefined;
  }

  lostBy(operator: string, tensor: Tensor): TensorHistory | undefined {
    return requiresGrad(tensor) ? new LostHistory(operator) : undefined;
  }

  forget(): void {
    if (this.source instanceof Node) this.source.drop();
  }
}

export function historyOf(tensor: Tensor): History | undefined {
  return tensor.history as History | undefined;
}

/** The node or leaf to which this tensor's gradient goes, if any. */
export function gradientTarget(tensor: Tensor): Node | Leaf | undefined {
  const source = historyOf(tensor)?.source;
  return source instanceof Leaf && !source.requiresGrad ? undefined : source;
}

export function requiresGrad(tensor: Tensor): boolean {
  return gradientTarget(tensor) !== undefined;
}

/** The path of a gradient from an operation to the maker of one of its inputs. */
export interface Edge extends InHalf {
  readonly target: Node | Leaf;
  /** Which output of the target the gradient belongs to. */
  readonly outputIndex: number;
}

/** How rules speak of an input or a saved tensor: by its name, or by its position in a list. */
export type Key = string | number;

/**
 * The gradient of one input. A function computes it, and is called only if the gradient is wanted; null where
 * there is none. A tensor that `node.accumulator` gave says that the gradient was added to it.
 */
export type Gradient = Tensor | null | (() => Tensor | null);

/** The gradients of a node's inputs, by name or by position. */
export type InputGradients = Readonly<Record<string, Gradient>> | readonly Gradient[];

/** A node's rule: `dy` is the gradient of its first output, `saved` what was saved, by name or by position. */
export type Rule = (
  dy: Tensor,
  saved: SavedByKey,
  node: Node,
) => InputGradients | Suspendable<InputGradients>;

/** A backward inside a node, after its I. */
export interface InnerBackward {
  backwardWeights(): Suspendable<void>;
  /** Frees all that it holds; a second call does nothing. */
  end(): void;
}

/** One differentiable operation that ran: what its backward needs, and where the gradients go. */
export class Node<InputKey extends Key = Key> {
  readonly name: string;
  readonly runtime: Runtime;
  /** Larger than that of every node whose output this one uses. */
  readonly index: number;
  readonly edges: readonly (Edge | undefined)[];
  /** The halves in which the node has edges. */
  readonly halves: number;
  /** Gradients of the outputs, as far as they arrived; owned by the node. */
  readonly gradients: (Tensor | null)[];
  /** True while the node waits in the queue of a walk. */
  isQueued = false;
  /** W's part of the backward inside a checkpoint, between I and W. */
  innerBackward: InnerBackward | undefined = undefined;
  /**
   * True when I must visit the node even if none of its inputs needs a gradient: a checkpoint with parameters
   * in it.
   */
  readonly alwaysRuns: boolean;
  /** Names of the inputs; undefined when they are positions. */
  readonly #inputKeys: readonly string[] | undefined;
  readonly #saved: SavedTensors;
  readonly #rule: Rule;
  /** The halves that this visit computes. */
  #wanted = 0;
  /** The halves that some visit has computed. */
  #computed = 0;
  #hasRun = false;
  #isBackwardInputs = false;
  #numReferences = 0;

  constructor(
    runtime: Runtime,
    name: string,
    inputKeys: readonly string[] | undefined,
    edges: readonly (Edge | undefined)[],
    numOutputs: number,
    saved: SavedTensors,
    rule: Rule,
    alwaysRuns: boolean,
  ) {
    this.runtime = runtime;
    this.index = runtime.nextNodeIndex();
    this.name = name;
    this.edges = edges;
    this.alwaysRuns = alwaysRuns;
    this.gradients = numOutputs === 1 ? [null] : new Array<Tensor | null>(numOutputs).fill(null);
    this.#inputKeys = inputKeys;
    this.#saved = saved;
    this.#rule = rule;
    let halves = 0;
    for (const edge of edges) {
      if (edge === undefined) continue;
      halves |= edge.half;
      if (edge.target instanceof Node) edge.target.retain();
    }
    this.halves = halves;
  }

  /** Adds a reference: a tensor made by this node, a node that uses it, or a backward that starts here. */
  retain(): void {
    this.#numReferences++;
  }

  /** Removes a reference. Without any, the node frees what it saved at once, and drops the nodes before it. */
  drop(): void {
    const dropped: Node[] = [this as Node];
    for (let node = dropped.pop(); node !== undefined; node = dropped.pop()) {
      if (--node.#numReferences > 0) continue;
      node.release(0);
      node.abandon();
      for (const edge of node.edges) if (edge?.target instanceof Node) dropped.push(edge.target);
    }
  }

  /** True in an I, before its W; false in a whole backward and in a W. */
  get isBackwardInputs(): boolean {
    return this.#isBackwardInputs;
  }

  get mustRun(): boolean {
    return this.alwaysRuns && !this.#hasRun;
  }

  /** Applies the rule for the inputs of these halves. */
  run(wanted: number, isBackwardInputs: boolean): InputGradients | Suspendable<InputGradients> {
    if ((this.#computed & wanted) !== 0)
      throw new AutogradError(
        "BACKWARD_RAN_ALREADY",
        `the backward of ${this.name} ran already, and what it saved is freed; run the forward again for another backward`,
      );
    this.#saved.checkUnchanged(this.name, this.index);
    this.#wanted = wanted;
    this.#computed |= wanted;
    this.#isBackwardInputs = isBackwardInputs;
    this.#hasRun = true;
    return this.#rule(this.gradients[0]!, this.#saved.byKey, this as Node);
  }

  /** True when this visit computes the gradient of the input. */
  wants(input: InputKey): boolean {
    return this.isWanted(this.#inputIndex(input));
  }

  isWanted(inputIndex: number): boolean {
    const edge = this.edges[inputIndex];
    return edge !== undefined && (edge.half & this.#wanted) !== 0;
  }

  /** An input's gradient among those that the rule gave; computed now if the rule gave a function. */
  pick(gradients: InputGradients, inputIndex: number): Tensor | null {
    const key = this.#inputKeys === undefined ? inputIndex : this.#inputKeys[inputIndex]!;
    const gradient = (gradients as Readonly<Record<Key, Gradient>>)[key];
    return typeof gradient === "function" ? gradient() : (gradient ?? null);
  }

  /** Gradient of the first output; every visited node with one output has it. */
  get gradient(): Tensor {
    return this.gradients[0]!;
  }

  /**
   * A saved tensor, by its position.
   * @throws AutogradError when no gradient wanted in this visit needs it
   */
  saved(position: number): Tensor {
    const tensor = this.#saved.at(position);
    if (tensor === null)
      throw new AutogradError(
        "SAVED_TENSOR_MISSING",
        `${this.name}: saved tensor ${position} of ${this.#saved.length} is not there, because no gradient wanted now ` +
          "needs it by what was recorded; compute a gradient only where node.wants(input) is true, " +
          "and list each input whose gradient needs the tensor",
      );
    return tensor;
  }

  /**
   * The sum so far of a weight's gradient, to add the gradient into in place; the rule then gives the sum itself
   * as the gradient. Null without a sum, when others see it, or for another dtype, unless the rule can widen.
   */
  accumulator(input: InputKey, isWide = false): Tensor | null {
    const inputIndex = this.#inputIndex(input);
    const target = this.edges[inputIndex]?.target;
    if (!(target instanceof Leaf) || !this.isWanted(inputIndex)) return null;
    return (isWide || target.sumDtype === undefined) && target.grad?.isSoleOwner ? target.grad : null;
  }

  /** Frees what no gradient of the remaining halves needs. */
  release(remaining: number): void {
    this.#saved.release(remaining);
  }

  /** Forgets a backward that broke off. */
  abandon(): void {
    this.isQueued = false;
    this.disposeGradients();
    this.innerBackward?.end();
    this.innerBackward = undefined;
  }

  disposeGradients(): void {
    for (let i = 0; i < this.gradients.length; i++) {
      this.gradients[i]?.dispose();
      this.gradients[i] = null;
    }
  }

  #inputIndex(input: InputKey): number {
    if (typeof input === "number") return input;
    const index = this.#inputKeys?.indexOf(input) ?? -1;
    if (index < 0) throw new InternalError(`${this.name} has no input ${input}`);
    return index;
  }
}

/** What depends on a stage's inputs, and through which no gradient flows. */
export const WITHOUT_GRADIENT = Object.freeze(new History(undefined, 0, true));
