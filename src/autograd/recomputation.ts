import type { Suspendable, Transfer } from "../tensor/suspension.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Backward, type GraphRoot, rootOf } from "./backward.ts";
import { enableGrad } from "./grad-mode.ts";
import { type InnerBackward, type Leaf, markInput, type Node, variable } from "./graph.ts";

/** The second run of a checkpoint's body, and the backward through it: whole, or I and later W. */
export class Recomputation implements InnerBackward {
  readonly #node: Node;
  readonly #isActivation: readonly boolean[];
  #leaves: (Leaf | undefined)[] = [];
  #walk: Backward | undefined = undefined;

  /** @param isActivation For each input of the node, whether it depends on a stage's inputs. */
  constructor(node: Node, isActivation: readonly boolean[]) {
    this.#node = node;
    this.#isActivation = isActivation;
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
      yield* node.isSplit ? walk.backwardInputs(gradients) : walk.backward(gradients);
      isComplete = true;
    } finally {
      if (isComplete && node.isSplit) node.deferred = this;
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
    if (this.#isActivation[input]) return markInput(copy, needsGrad);
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
