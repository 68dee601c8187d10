import { operator } from "../tensor/native-operator.ts";
import type { Runtime } from "../tensor/runtime.ts";
import type { Suspendable } from "../tensor/suspension.ts";
import type { Tensor, TensorHistory } from "../tensor/tensor.ts";

const DETACH = operator("aten::detach");

/** Where a gradient ends: a parameter, or an input of a stage. */
export class Leaf {
  /** The sum of the gradients that arrived so far; owned by the leaf. */
  grad: Tensor | null = null;
  requiresGrad: boolean;

  constructor(requiresGrad: boolean) {
    this.requiresGrad = requiresGrad;
  }
}

/** What autograd knows of a tensor. */
export class History implements TensorHistory {
  /** The node that made the tensor, or the leaf that the tensor is; neither when no gradient flows. */
  readonly source: Node | Leaf | undefined;
  readonly outputIndex: number;
  /** True for a stage's inputs and all that is computed from them; false for parameters and what depends on them alone. */
  readonly isActivation: boolean;

  constructor(source: Node | Leaf | undefined, outputIndex: number, isActivation: boolean) {
    this.source = source;
    this.outputIndex = outputIndex;
    this.isActivation = isActivation;
    if (source instanceof Node) source.retain();
  }

  forget(): void {
    if (this.source instanceof Node) this.source.drop();
  }
}

export function historyOf(tensor: Tensor): History | undefined {
  return tensor.history as History | undefined;
}

/** The node or leaf to which this tensor's gradient goes, if any. */
export function gradientTarget(tensor: Tensor | null): Node | Leaf | undefined {
  const source = tensor === null ? undefined : historyOf(tensor)?.source;
  return source instanceof Leaf && !source.requiresGrad ? undefined : source;
}

export function requiresGrad(tensor: Tensor): boolean {
  return gradientTarget(tensor) !== undefined;
}

/** The way a gradient takes from an operator to the maker of one of its inputs. */
export interface Edge {
  readonly target: Node | Leaf;
  /** Which output of the target the gradient belongs to. */
  readonly outputIndex: number;
  /** True when the gradient is needed for a stage's inputs: such edges are walked by I, all others by W. */
  readonly isActivation: boolean;
}

interface Saved {
  tensor: Tensor | null;
  /** Bit i is set when the gradient of input i needs this tensor. */
  neededFor: number;
}

/** Gradients of the inputs: null where there is none, or where it was added into `node.accumulator(i)`. */
export type InputGradients = readonly (Tensor | null)[];
export type Differentiate = (node: Node) => InputGradients | Suspendable<InputGradients>;

/** A backward within a node, of which I has run. */
export interface InnerBackward {
  backwardWeights(): Suspendable<void>;
  /** Frees all that it holds; a second call does nothing. */
  end(): void;
}

/** One differentiable operation that was run: what its backward needs, and where the gradients go. */
export class Node {
  readonly name: string;
  readonly runtime: Runtime;
  /** Larger than that of every node whose output this one uses. */
  readonly index: number;
  readonly edges: readonly (Edge | undefined)[];
  /** Bits of the inputs whose gradients I computes. */
  readonly activationEdges: number;
  /** Bits of the inputs whose gradients W computes. */
  readonly weightEdges: number;
  readonly isActivation: boolean;
  readonly differentiate: Differentiate;
  /** Gradients of the outputs, as far as they arrived; owned by the node. */
  readonly gradients: (Tensor | null)[];
  /** True while the node waits in the queue of a walk. */
  isQueued = false;
  /** What remains for W beside edges: the backward of a recomputed part. */
  deferred: InnerBackward | undefined = undefined;
  /** True when I must run the node although none of its inputs needs a gradient: a recomputed part with parameters in it. */
  alwaysRuns = false;
  #saved: Saved[];
  #wanted = 0;
  #consumed = 0;
  #isSplit = false;
  #hasRun = false;
  #numHolders = 0;

  constructor(
    runtime: Runtime,
    name: string,
    edges: readonly (Edge | undefined)[],
    numOutputs: number,
    isActivation: boolean,
    saved: Saved[],
    differentiate: Differentiate,
  ) {
    this.runtime = runtime;
    this.index = runtime.nextNodeIndex();
    this.name = name;
    this.edges = edges;
    this.isActivation = isActivation;
    this.gradients = new Array<Tensor | null>(numOutputs).fill(null);
    this.#saved = saved;
    this.differentiate = differentiate;
    let [activationEdges, weightEdges] = [0, 0];
    edges.forEach((edge, i) => {
      if (edge === undefined) return;
      if (edge.isActivation) activationEdges |= 1 << i;
      else weightEdges |= 1 << i;
      if (edge.target instanceof Node) edge.target.retain();
    });
    this.activationEdges = activationEdges;
    this.weightEdges = weightEdges;
  }

  /** Adds a holder: a tensor made by this node, a node that uses it, or a backward that starts here. */
  retain(): void {
    this.#numHolders++;
  }

  /** Takes a holder away; without any, the node frees what it saved, at once, and so do the nodes before it. */
  drop(): void {
    const dropped: Node[] = [this];
    for (let node = dropped.pop(); node !== undefined; node = dropped.pop()) {
      if (--node.#numHolders > 0) continue;
      node.release(0);
      node.abandon();
      for (const edge of node.edges) if (edge?.target instanceof Node) dropped.push(edge.target);
    }
  }

  /** True in an I, whose W comes later; false in a whole backward or a W. */
  get isSplit(): boolean {
    return this.#isSplit;
  }

  get mustRun(): boolean {
    return this.alwaysRuns && !this.#hasRun;
  }

  /** Calls `differentiate` for these inputs. */
  run(wanted: number, isSplit: boolean): InputGradients | Suspendable<InputGradients> {
    if ((this.#consumed & wanted) !== 0)
      throw new Error(
        `dualpipe: the backward of ${this.name} ran already and what it saved is freed; run the forward again`,
      );
    this.#wanted = wanted;
    this.#consumed |= wanted;
    this.#isSplit = isSplit;
    this.#hasRun = true;
    return this.differentiate(this);
  }

  /** True when the gradient of input `i` is asked for by this call. */
  wants(i: number): boolean {
    return (this.#wanted & (1 << i)) !== 0;
  }

  /** Gradient of an output; every walked node has that of its only output. */
  get gradient(): Tensor {
    return this.gradients[0]!;
  }

  saved(i: number): Tensor {
    const tensor = this.#saved[i]?.tensor;
    if (!tensor)
      throw new Error(`dualpipe (internal): ${this.name} did not save tensor ${i} for this gradient`);
    return tensor;
  }

  /** The sum so far of a weight's gradient, to add input `i`'s gradient into in place; return it to say that this was done. */
  accumulator(i: number): Tensor | null {
    const target = this.edges[i]?.target;
    return target instanceof Leaf && this.wants(i) && target.grad?.isSoleOwner ? target.grad : null;
  }

  /** Frees what the gradients of the inputs outside `remaining` alone needed. */
  release(remaining: number): void {
    for (const saved of this.#saved) {
      if (saved.tensor !== null && (saved.neededFor & remaining) === 0) {
        saved.tensor.dispose();
        saved.tensor = null;
      }
    }
  }

  /** Forgets a backward that does not go on. */
  abandon(): void {
    this.isQueued = false;
    this.disposeGradients();
    this.deferred?.end();
    this.deferred = undefined;
  }

  disposeGradients(): void {
    for (let i = 0; i < this.gradients.length; i++) {
      this.gradients[i]?.dispose();
      this.gradients[i] = null;
    }
  }
}

/** A tensor to keep for the backward, and the inputs (by position) whose gradients need it. */
export type Save = readonly [tensor: Tensor, ...neededFor: number[]];

/**
 * Adds an operation to the graph, if a gradient flows through any of its inputs. `inputs` are those that can have a
 * gradient; `data` says that an input without one (such as indices) comes from a stage's inputs.
 */
export function record(
  name: string,
  inputs: readonly (Tensor | null)[],
  outputs: readonly Tensor[],
  saves: readonly Save[],
  differentiate: Differentiate,
  data = false,
  alwaysRuns = false,
): void {
  const runtime = outputs[0]!.runtime;
  const isActivation =
    data || inputs.some((input) => input !== null && historyOf(input)?.isActivation === true);
  const edges = runtime.gradEnabled ? inputs.map(edgeTo) : [];
  if (!edges.some((edge) => edge !== undefined) && !(alwaysRuns && runtime.gradEnabled)) {
    if (isActivation) for (const output of outputs) output.history = ACTIVATION;
    return;
  }
  const saved: Saved[] = saves.map(([tensor, ...neededFor]) => {
    let mask = 0;
    for (const i of neededFor) if (edges[i] !== undefined) mask |= 1 << i;
    return { tensor: mask === 0 && !alwaysRuns ? null : tensor.share(), neededFor: mask };
  });
  const node = new Node(runtime, name, edges, outputs.length, isActivation, saved, differentiate);
  node.alwaysRuns = alwaysRuns;
  outputs.forEach((output, i) => {
    output.history = new History(node, i, isActivation);
  });
}

const ACTIVATION = Object.freeze(new History(undefined, 0, true));

function edgeTo(input: Tensor | null): Edge | undefined {
  const target = gradientTarget(input);
  if (target === undefined) return undefined;
  const { outputIndex, isActivation } = historyOf(input!)!;
  return { target, outputIndex, isActivation };
}

/** Makes a plain tensor a leaf whose gradient W computes, as if it were a parameter. The caller owns `grad` of the leaf. */
export function variable(tensor: Tensor): Leaf {
  const leaf = new Leaf(true);
  tensor.history = new History(leaf, 0, false);
  return leaf;
}

/** The same elements as a tensor through which no gradient flows. */
export function detach(tensor: Tensor): Tensor {
  const detached = tensor.runtime.call(DETACH, tensor);
  if (historyOf(tensor)?.isActivation) detached.history = ACTIVATION;
  return detached;
}

/** Marks a tensor as an input of a stage: I computes its gradient, if it is to have one, and W what remains. */
export function markInput(tensor: Tensor, needsGrad: boolean): Leaf | undefined {
  const leaf = needsGrad ? new Leaf(true) : undefined;
  tensor.history = new History(leaf, 0, true);
  return leaf;
}
