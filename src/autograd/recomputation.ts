/**
 * The second run of a checkpoint's body, in the middle of a backward, and the backward through it.
 *
 * To the outer graph a checkpoint is one node, whose inputs may belong to either half and whose body may use
 * parameters that are not among its inputs. So I cannot ask the node for some gradients and W for the others:
 * that would run the body twice. Instead the first visit runs the body once, on copies of the inputs that are
 * leaves of a graph of their own, and walks that inner graph: whole in a whole backward, I alone in I. The
 * inner walk then stays with the node (`innerBackward`), and W finishes it. Copies of what depends on the
 * stage's inputs are marked as a stage's inputs, so the inner graph splits just as the outer one does.
 *
 * The body must see the random numbers of its first run, while what runs between its parts (a body may
 * communicate, and is then suspended) must not. Each part between two transfers therefore runs with the
 * generator's state from the same part of the first run, and the state outside is put back after it.
 */
import type { Suspendable, Transfer } from "../tensor/suspension.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Backward, type GraphRoot, rootOf } from "./backward.ts";
import { enableGrad } from "./grad-mode.ts";
import type { InnerBackward, Leaf, Node } from "./graph.ts";
import { markInput, variable } from "./record.ts";

/** The second run of a checkpoint's body and its backward: whole, or I and later W. */
export class Recomputation implements InnerBackward {
  readonly #node: Node;
  readonly #dependsOnStageInput: readonly boolean[];
  #leaves: (Leaf | undefined)[] = [];
  #walk: Backward | undefined = undefined;

  /** @param dependsOnStageInput For each input of the node, whether it depends on a stage's inputs. */
  constructor(node: Node, dependsOnStageInput: readonly boolean[]) {
    this.#node = node;
    this.#dependsOnStageInput = dependsOnStageInput;
  }

  /** @param randomStates Of the generator, at the start of each part of the first run between two transfers. */
  *run(
    body: (...inputs: Tensor[]) => Suspendable<Tensor | readonly Tensor[]>,
    inputs: readonly Tensor[],
    randomStates: readonly Tensor[],
  ): Suspendable<void> {
    const node = this.#node;
    let isComplete = false;
    try {
      const roots = yield* node.runtime.suspendableScope(this.#forward(body, inputs, randomStates));
      const walk = new Backward(roots.filter((root) => root !== null));
      this.#walk = walk;
      const gradients = node.gradients.filter((gradient, i) => gradient !== null && roots[i]) as Tensor[];
      yield* node.isBackwardInputs ? walk.backwardInputs(gradients) : walk.backward(gradients);
      isComplete = true;
    } finally {
      if (isComplete && node.isBackwardInputs) node.innerBackward = this;
      else this.#endWalk();
      if (!isComplete) this.end();
    }
  }

  *backwardWeights(): Suspendable<void> {
    if (this.#walk === undefined) return;
    yield* this.#walk.backwardWeights();
    this.#endWalk();
  }

  /** The gradients of the inputs that exist by now, in the current scope. */
  takeGradients(): (Tensor | null)[] {
    return this.#leaves.map((leaf) => {
      const gradient = leaf?.grad ?? null;
      if (gradient === null) return null;
      leaf!.grad = null;
      gradient.runtime.currentScope?.own(gradient);
      return gradient;
    });
  }

  end(): void {
    this.#endWalk();
    for (const leaf of this.#leaves) {
      leaf?.grad?.dispose();
      if (leaf) leaf.grad = null;
    }
  }

  #endWalk(): void {
    this.#walk?.end();
    this.#walk = undefined;
  }

  /** The root of each output, null where no gradient arrived or none flows. */
  *#forward(
    body: (...inputs: Tensor[]) => Suspendable<Tensor | readonly Tensor[]>,
    inputs: readonly Tensor[],
    randomStates: readonly Tensor[],
  ): Suspendable<(GraphRoot | null)[]> {
    const { runtime, gradients } = this.#node;
    const copies = inputs.map((input) => input.share());
    try {
      this.#leaves = copies.map((copy, i) => this.#markLeaf(copy, i));
      let segment = 0;
      const result = yield* inSegments(body(...copies), (resume) => {
        const outside = runtime.randomState();
        const inside = randomStates[segment++];
        if (inside !== undefined) runtime.setRandomState(inside);
        try {
          return enableGrad(runtime, resume);
        } finally {
          runtime.setRandomState(outside);
        }
      });
      const outputs = Array.isArray(result) ? (result as readonly Tensor[]) : [result as Tensor];
      return outputs.map((output, i) => (gradients[i] ? rootOf(output) : null));
    } finally {
      for (const copy of copies) copy.dispose();
    }
  }

  #markLeaf(copy: Tensor, input: number): Leaf | undefined {
    const needsGrad = this.#node.edges[input] !== undefined;
    if (this.#dependsOnStageInput[input]) return markInput(copy, needsGrad);
    return needsGrad ? variable(copy) : undefined;
  }
}

/** Runs a computation with something set up around each part of it between two transfers. */
export function* inSegments<R>(
  computation: Suspendable<R>,
  around: (resume: () => IteratorResult<Transfer, R>) => IteratorResult<Transfer, R>,
): Suspendable<R> {
  try {
    for (;;) {
      const step = around(() => computation.next());
      if (step.done) return step.value;
      yield step.value;
    }
  } finally {
    computation.return(undefined as R);
  }
}
