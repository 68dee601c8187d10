import { operator } from "../tensor/native-operator.ts";
import { finish, isSuspendable, type Suspendable } from "../tensor/suspension.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { gradientTarget, historyOf, type InputGradients, Leaf, Node } from "./graph.ts";

const ADD = operator("aten::add", "Tensor");
const ADD_INPLACE = operator("aten::add_", "Tensor");
const CLONE = operator("aten::clone");
const ONES_LIKE = operator("aten::ones_like");

/** An output of a graph, without its elements: those may be freed before the backward runs. */
export interface GraphRoot {
  readonly target: Node | Leaf;
  readonly outputIndex: number;
  readonly shape: readonly number[];
}

/** The root of an output, or null when no gradient flows to it. It holds the graph until its Backward ends. */
export function rootOf(output: Tensor): GraphRoot | null {
  const target = gradientTarget(output);
  if (target === undefined) return null;
  if (target instanceof Node) target.retain();
  return { target, outputIndex: historyOf(output)!.outputIndex, shape: output.shape };
}

type Part = "all" | "activations" | "weights";

/**
 * One backward through one graph, whole (`backward`) or split: `backwardInputs` is I, the gradients of a stage's inputs and of all
 * activations, and `backwardWeights` is W, the gradients of the parameters. Each yields where an operator communicates.
 * Nodes are taken in the reverse order of their making, as libtorch's engine does.
 */
export class Backward {
  readonly #roots: GraphRoot[];
  /** Nodes to visit, in ascending order of their index. */
  #queue: Node[] = [];
  /** Nodes whose weight gradients were left for W. */
  #deferred: Node[] = [];

  constructor(roots: readonly GraphRoot[]) {
    this.#roots = [...roots];
  }

  /** @param gradients One for each root, borrowed. */
  *backward(gradients: readonly Tensor[]): Suspendable<void> {
    this.#seed(gradients);
    yield* this.#walk("all");
  }

  /** I. @param gradients One for each root, borrowed. */
  *backwardInputs(gradients: readonly Tensor[]): Suspendable<void> {
    this.#seed(gradients);
    yield* this.#walk("activations");
  }

  /** W, once after `backwardInputs`. */
  *backwardWeights(): Suspendable<void> {
    for (const node of this.#deferred) this.#enqueue(node);
    this.#deferred = [];
    yield* this.#walk("weights");
  }

  /** Lets go of the graph: after the last part, or when there will be none, wherever the walk stands. */
  end(): void {
    for (const node of [...this.#queue.splice(0), ...this.#deferred.splice(0)]) node.abandon();
    for (const { target } of this.#roots.splice(0)) if (target instanceof Node) target.drop();
  }

  #seed(gradients: readonly Tensor[]): void {
    this.#roots.forEach(({ target, outputIndex }, i) => {
      this.#deliver(target, outputIndex, gradients[i]!);
    });
  }

  *#walk(part: Part): Suspendable<void> {
    // A node stays in the queue while it is visited, so that `end` finds it when the walk breaks off there.
    for (let node = this.#queue.at(-1); node !== undefined; node = this.#queue.at(-1)) {
      const wanted =
        part === "activations"
          ? node.activationEdges
          : node.weightEdges | (part === "all" ? node.activationEdges : 0);
      const remaining = part === "activations" ? node.weightEdges : 0;
      if (wanted !== 0 || node.mustRun) yield* this.#visit(node, wanted, part === "activations");
      if (part === "weights") yield* runDeferred(node);
      this.#queue.pop();
      node.isQueued = false;
      node.release(remaining);
      if (remaining === 0) node.disposeGradients();
      if (remaining !== 0 || node.deferred !== undefined) this.#deferred.push(node);
    }
  }

  *#visit(node: Node, wanted: number, isSplit: boolean): Suspendable<void> {
    const { runtime } = node;
    const suspended = runtime.scope(() => {
      const result = node.run(wanted, isSplit);
      if (isSuspendable<InputGradients>(result)) return result;
      this.#deliverAll(node, result);
      return undefined;
    });
    if (suspended !== undefined) yield* runtime.suspendableScope(this.#deliverLater(node, suspended));
  }

  *#deliverLater(node: Node, gradients: Suspendable<InputGradients>): Suspendable<void> {
    this.#deliverAll(node, yield* gradients);
  }

  #deliverAll(node: Node, gradients: InputGradients): void {
    for (let i = 0; i < node.edges.length; i++) {
      const gradient = gradients[i];
      if (gradient && node.wants(i)) {
        const edge = node.edges[i]!;
        this.#deliver(edge.target, edge.outputIndex, gradient);
      }
    }
  }

  #deliver(target: Node | Leaf, outputIndex: number, gradient: Tensor): void {
    if (target instanceof Leaf) {
      accumulate(target, gradient);
      return;
    }
    const before = target.gradients[outputIndex];
    if (before) {
      const { runtime } = target;
      target.gradients[outputIndex] = runtime.scope(() => runtime.call(ADD, before, gradient).share());
      before.dispose();
    } else {
      target.gradients[outputIndex] = gradient.share();
    }
    if (!target.isQueued) this.#enqueue(target);
  }

  /** Insertion from the end: a graph is nearly a chain, so the place is nearly always there. */
  #enqueue(node: Node): void {
    node.isQueued = true;
    let i = this.#queue.length;
    while (i > 0 && this.#queue[i - 1]!.index > node.index) i--;
    this.#queue.splice(i, 0, node);
  }
}

function* runDeferred(node: Node): Suspendable<void> {
  const inner = node.deferred;
  if (inner === undefined) return;
  yield* inner.backwardWeights();
  inner.end();
  node.deferred = undefined;
}

/** Adds into the leaf's sum, in place where nobody else can see it; so the first gradient may be the sum itself. */
function accumulate(leaf: Leaf, gradient: Tensor): void {
  const { runtime } = gradient;
  const sum = leaf.grad;
  if (sum === gradient) return;
  if (sum === null) {
    leaf.grad = gradient.isSoleOwner
      ? gradient.share()
      : runtime.scope(() => runtime.call(CLONE, gradient).share());
  } else if (sum.isSoleOwner) {
    runtime.callInPlace(ADD_INPLACE, sum, gradient);
  } else {
    leaf.grad = runtime.scope(() => runtime.call(ADD, sum, gradient).share());
    sum.dispose();
  }
}

/**
 * The gradients of one or more outputs, added into `grad` of every parameter they depend on.
 * @param gradients Of the shapes of the outputs; may be left out for a scalar output, where it is 1.
 * @throws RangeError when an output needs a gradient that was not given.
 */
export function backward(outputs: Tensor | readonly Tensor[], gradients?: readonly Tensor[]): void {
  const list = Array.isArray(outputs) ? (outputs as readonly Tensor[]) : [outputs as Tensor];
  const roots = list.map((output) => {
    const root = rootOf(output);
    if (root === null)
      throw new RangeError(
        "dualpipe: backward of a tensor that depends on no parameter that requires a gradient",
      );
    return root;
  });
  const walk = new Backward(roots);
  try {
    list[0]!.runtime.scope(() => finish(walk.backward(gradients ?? list.map(scalarGradient))));
  } finally {
    walk.end();
  }
}

/** 1, for the backward of a loss. @throws RangeError when the tensor has more than one element. */
export function scalarGradient(output: Tensor): Tensor {
  if (output.numElements !== 1)
    throw new RangeError(
      `dualpipe: a backward without a gradient starts at a scalar; got the shape [${output.shape}]; pass gradients`,
    );
  return output.runtime.call(ONES_LIKE, output);
}
