/**
 * A backward: a walk over the graph from its outputs down, in one part or in two.
 *
 * Nodes wait in a queue in the order in which they were made, and the latest is visited first, as in LibTorch's
 * engine. So a node is visited after all nodes that use its outputs, when its gradients are complete, and sums
 * are always made in the same order. I visits every node that it reaches, asks it for the gradients of I's half
 * alone, and keeps the nodes that also have edges of W's half, with the gradients of their outputs. W visits
 * those nodes, again latest first. Which edge belongs to which half is the subject of graph.ts.
 *
 * A rule that communicates is a generator, and so are the three methods of Backward: they yield each transfer
 * of a rule, and the caller decides what to compute before it resumes them. Call `end` after the last one, or
 * wherever a walk broke off.
 */
import type { DType } from "../tensor/dtype.ts";
import * as kernels from "../tensor/kernels/index.ts";
import { describe, sameShape } from "../tensor/shape.ts";
import { finish, isGenerator, type Suspendable } from "../tensor/suspension.ts";
import { Tensor } from "../tensor/tensor.ts";
import { AutogradError } from "./autograd-error.ts";
import { FinalLeaves } from "./final-leaves.ts";
import { gradientTarget, historyOf, type InputGradients, Leaf, Node } from "./graph.ts";
import { INPUTS, WEIGHTS } from "./halves.ts";
import { checkGradientKept } from "./lost-gradient.ts";

/** An output of a graph without its elements, which may be freed before the backward runs. */
export interface GraphRoot {
  readonly target: Node | Leaf;
  readonly outputIndex: number;
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/** The root of an output, or null when no gradient flows to it. It holds the graph until its Backward ends. */
export function rootOf(output: Tensor): GraphRoot | null {
  const target = gradientTarget(output);
  if (target === undefined) return null;
  if (target instanceof Node) target.retain();
  const { shape, dtype } = output;
  return { target, outputIndex: historyOf(output)!.outputIndex, shape, dtype };
}

/**
 * One backward through one graph: `backward` is the whole of it, `backwardInputs` is I and `backwardWeights` is
 * W. Each yields where an operator communicates.
 */
export class Backward {
  readonly #roots: GraphRoot[];
  /** Nodes to visit, in ascending order of their index. */
  #queue: Node[] = [];
  /** Nodes that W has to visit. */
  #remaining: Node[] = [];

  constructor(roots: readonly GraphRoot[]) {
    this.#roots = [...roots];
  }

  /** The whole backward in one walk. @param gradients One for each root, borrowed. */
  *backward(gradients: readonly Tensor[]): Suspendable<void> {
    this.#seed(gradients);
    yield* this.#walk(INPUTS | WEIGHTS);
  }

  /** I. @param gradients One for each root, borrowed. */
  *backwardInputs(gradients: readonly Tensor[]): Suspendable<void> {
    this.#seed(gradients);
    yield* this.#walk(INPUTS);
  }

  /**
   * W. Run it once, after `backwardInputs`.
   * @param onFinal Hears of leaves to which nothing more is added, as early as it is known, and not of all.
   */
  *backwardWeights(onFinal?: (leaf: Leaf) => void): Suspendable<void> {
    const finals = onFinal && FinalLeaves.of(this.#remaining, onFinal);
    for (const node of this.#remaining) this.#enqueue(node);
    this.#remaining = [];
    yield* this.#walk(WEIGHTS, finals);
  }

  /** Releases the graph: after the last walk, or instead of one, wherever it stands. */
  end(): void {
    for (const node of [...this.#queue.splice(0), ...this.#remaining.splice(0)]) node.abandon();
    for (const { target } of this.#roots.splice(0)) if (target instanceof Node) target.drop();
  }

  #seed(gradients: readonly Tensor[]): void {
    checkGradients(this.#roots, gradients);
    this.#roots.forEach(({ target, outputIndex }, i) => {
      this.#deliver(target, outputIndex, gradients[i]!);
    });
  }

  *#walk(halves: number, finals?: FinalLeaves): Suspendable<void> {
    const isBackwardInputs = halves === INPUTS;
    // A node stays in the queue while it is visited, so that `end` finds it when the walk breaks off there.
    for (let node = this.#queue.at(-1); node !== undefined; node = this.#queue.at(-1)) {
      const wanted = node.halves & halves;
      const remaining = isBackwardInputs ? node.halves & WEIGHTS : 0;
      // Nearly no node communicates, and a generator for each would cost as much as all else that is done here.
      const suspended =
        wanted !== 0 || node.mustRun ? this.#visit(node, wanted, isBackwardInputs) : undefined;
      if (suspended !== undefined) yield* suspended;
      if (halves === WEIGHTS && node.innerBackward !== undefined) yield* finishInner(node);
      finals?.visited(node);
      this.#queue.pop();
      node.isQueued = false;
      node.release(remaining);
      if (remaining === 0) node.disposeGradients();
      if (remaining !== 0 || node.innerBackward !== undefined) this.#remaining.push(node);
    }
  }

  /** @returns What remains to be done, when the node's rule communicates. */
  #visit(node: Node, wanted: number, isBackwardInputs: boolean): Suspendable<void> | undefined {
    const { runtime } = node;
    const suspended = runtime.scope(() => {
      const result = node.run(wanted, isBackwardInputs);
      if (isGenerator(result)) return result;
      this.#deliverAll(node, result);
      return undefined;
    });
    if (suspended === undefined) return undefined;
    return runtime.suspendableScope(this.#deliverLater(node, suspended));
  }

  *#deliverLater(node: Node, gradients: Suspendable<InputGradients>): Suspendable<void> {
    this.#deliverAll(node, yield* gradients);
  }

  #deliverAll(node: Node, gradients: InputGradients): void {
    const { edges } = node;
    for (let i = 0; i < edges.length; i++) {
      if (!node.isWanted(i)) continue;
      const gradient = node.pick(gradients, i);
      if (gradient !== null) this.#deliver(edges[i]!.target, edges[i]!.outputIndex, gradient);
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
      target.gradients[outputIndex] = runtime.scope(() => kernels.add(before, gradient).share());
      before.dispose();
    } else {
      target.gradients[outputIndex] = gradient.share();
    }
    if (!target.isQueued) this.#enqueue(target);
  }

  /** Inserts from the end: a graph is nearly a chain, so the position is nearly always near it. */
  #enqueue(node: Node): void {
    node.isQueued = true;
    const queue = this.#queue;
    let i = queue.length;
    queue.push(node);
    for (; i > 0 && queue[i - 1]!.index > node.index; i--) queue[i] = queue[i - 1]!;
    queue[i] = node;
  }
}

function* finishInner(node: Node): Suspendable<void> {
  const inner = node.innerBackward!;
  yield* inner.backwardWeights();
  inner.end();
  node.innerBackward = undefined;
}

/** Adds to the leaf's sum, in place if no other tensor shares it. The first gradient becomes the sum itself. */
function accumulate(leaf: Leaf, gradient: Tensor): void {
  const { runtime } = gradient;
  const sum = leaf.grad;
  if (sum === gradient) return;
  if (sum === null) {
    if (leaf.isParameter) runtime.acceptLeaf?.(leaf, gradient);
    const { sumDtype } = leaf;
    if (sumDtype !== undefined && gradient.dtype !== sumDtype) {
      leaf.grad = runtime.scope(() => kernels.toDtype(gradient, sumDtype).share());
      return;
    }
    leaf.grad = gradient.isSoleOwner
      ? gradient.share()
      : runtime.scope(() => kernels.clone(gradient).share());
  } else if (sum.isSoleOwner) {
    kernels.add_(sum, gradient);
  } else {
    leaf.grad = runtime.scope(() => kernels.add(sum, gradient).share());
    sum.dispose();
  }
}

/** @throws AutogradError unless there is one gradient for each root, of its shape and dtype */
function checkGradients(roots: readonly GraphRoot[], gradients: readonly Tensor[]): void {
  if (gradients.length !== roots.length)
    throw new AutogradError(
      "GRADIENT_MISMATCH",
      `backward: each output needs one gradient; got ${gradients.length} for ${roots.length} outputs`,
    );
  roots.forEach((root, i) => {
    const gradient = gradients[i] as unknown;
    const which = roots.length === 1 ? "the gradient" : `gradient ${i} of ${roots.length}`;
    if (!(gradient instanceof Tensor))
      throw new AutogradError("GRADIENT_MISMATCH", `backward: ${which} must be a tensor; got ${gradient}`);
    if (gradient.dtype !== root.dtype || !sameShape(gradient.shape, root.shape))
      throw new AutogradError(
        "GRADIENT_MISMATCH",
        `backward: ${which} must be ${describe(root)}, like its output; got ${describe(gradient)}`,
      );
  });
}

/**
 * Adds the gradients of one or more outputs into `grad` of every parameter that they depend on.
 * @param gradients Of the outputs' shapes and dtypes; may be left out for outputs with one element, where they are 1.
 * @throws AutogradError when no gradient flows to an output, when a gradient is needed that was not given, or when
 *   one is given that does not fit
 */
export function backward(outputs: Tensor | readonly Tensor[], gradients?: Tensor | readonly Tensor[]): void {
  const list = asList(outputs);
  if (list.length === 0)
    throw new AutogradError("NO_GRADIENT", "backward needs at least one output; got an empty list");
  list.forEach((output, i) => {
    checkGradientKept(output, list.length === 1 ? "backward: the output" : `backward: output ${i}`);
  });
  const unreached = list.find((output) => gradientTarget(output) === undefined);
  if (unreached !== undefined)
    throw new AutogradError(
      "NO_GRADIENT",
      `backward of a tensor of the shape [${unreached.shape}] that depends on no parameter that requires a gradient; ` +
        "compute it from a Parameter, outside of noGrad",
    );
  const walk = new Backward(list.map((output) => rootOf(output)!));
  try {
    list[0]!.runtime.scope(() =>
      finish(walk.backward(gradients === undefined ? list.map(scalarGradient) : asList(gradients))),
    );
  } finally {
    walk.end();
  }
}

function asList(tensors: Tensor | readonly Tensor[]): readonly Tensor[] {
  return tensors instanceof Tensor ? [tensors] : tensors;
}

/** 1, for the backward of a loss. @throws AutogradError when the tensor has more than one element */
export function scalarGradient(output: Tensor): Tensor {
  if (output.numElements !== 1)
    throw new AutogradError(
      "GRADIENT_MISSING",
      `a backward without a gradient starts at a scalar; got the shape [${output.shape}]; pass gradients`,
    );
  return kernels.onesLike(output);
}
