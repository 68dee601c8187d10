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
 * Tensors that the body captures are inputs too, but it finds them by itself, under the objects that it captured. So
 * while it runs, each of these objects has the elements and the history of its copy (`Tensor.exchange`).
 *
 * The body must see the random numbers of its first run, while what runs between its parts (a body may
 * communicate, and is then suspended) must not. Each part between two transfers therefore runs with the
 * generator's state from the same part of the first run, and the state outside is put back after it.
 */
import { TensorDisposedError } from "../tensor/errors.ts";
import type { Runtime } from "../tensor/runtime.ts";
import type { Suspendable, Transfer } from "../tensor/suspension.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { AutogradError } from "./autograd-error.ts";
import { Backward, type GraphRoot, rootOf } from "./backward.ts";
import { enableGrad } from "./grad-mode.ts";
import type { InnerBackward, Leaf, Node } from "./graph.ts";
import { checkGradientKept } from "./lost-gradient.ts";
import { markInput, variable } from "./record.ts";

const recomputingRuntimes = new WeakSet<Runtime>();

/** Whether a checkpoint's body runs again: what a module counts, such as a running mean, has been counted before. */
export function isRecomputing(runtime: Runtime): boolean {
  return recomputingRuntimes.has(runtime);
}

function recomputing<T>(runtime: Runtime, body: () => T): T {
  if (recomputingRuntimes.has(runtime)) return body();
  recomputingRuntimes.add(runtime);
  try {
    return body();
  } finally {
    recomputingRuntimes.delete(runtime);
  }
}

/** The second run of a checkpoint's body and its backward: whole, or I and later W. */
export class Recomputation implements InnerBackward {
  readonly #node: Node;
  readonly #dependsOnStageInput: readonly boolean[];
  readonly #captured: readonly Tensor[];
  #leaves: (Leaf | undefined)[] = [];
  #walk: Backward | undefined = undefined;

  /**
   * @param dependsOnStageInput For each input of the node, whether it depends on a stage's inputs.
   * @param captured The last inputs of the node, which the body does not take as arguments.
   */
  constructor(node: Node, dependsOnStageInput: readonly boolean[], captured: readonly Tensor[]) {
    this.#node = node;
    this.#captured = captured;
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

  /**
   * The gradients that this visit of the node is to give, in the current scope. An output of the body that is an input
   * of W's half gives its gradient in I already; it stays here until then.
   */
  takeGradients(): (Tensor | null)[] {
    return this.#leaves.map((leaf, i) => {
      const gradient = this.#node.isWanted(i) ? (leaf?.grad ?? null) : null;
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
    const { runtime } = this.#node;
    const copies = inputs.map((input) => input.share());
    const numArguments = copies.length - this.#captured.length;
    try {
      this.#leaves = copies.map((copy, i) => this.#markLeaf(copy, i));
      let segment = 0;
      let roots: (GraphRoot | null)[] = [];
      yield* inSegments(body(...copies.slice(0, numArguments)), (resume) => {
        const outside = runtime.randomState();
        const inside = randomStates[segment++];
        if (inside !== undefined) runtime.setRandomState(inside);
        try {
          return this.#withCaptured(copies.slice(numArguments), () => {
            const step = recomputing(runtime, () => enableGrad(runtime, resume));
            if (step.done) roots = this.#rootsOf(step.value);
            return step;
          });
        } finally {
          runtime.setRandomState(outside);
        }
      });
      return roots;
    } finally {
      for (const copy of copies) copy.dispose();
    }
  }

  /** Runs `body` while the captured tensors are their copies. */
  #withCaptured<T>(copies: readonly Tensor[], body: () => T): T {
    this.#captured.forEach((tensor, i) => {
      tensor.exchange(copies[i]!);
    });
    try {
      return body();
    } catch (error) {
      throw error instanceof TensorDisposedError ? capturedAndDisposed(error) : error;
    } finally {
      this.#captured.forEach((tensor, i) => {
        tensor.exchange(copies[i]!);
      });
    }
  }

  #rootsOf(result: Tensor | readonly Tensor[]): (GraphRoot | null)[] {
    const outputs = Array.isArray(result) ? (result as readonly Tensor[]) : [result as Tensor];
    for (const [i, output] of outputs.entries()) checkGradientKept(output, `checkpoint: output ${i}`);
    return outputs.map((output, i) => (this.#node.gradients[i] ? rootOf(output) : null));
  }

  #markLeaf(copy: Tensor, input: number): Leaf | undefined {
    const needsGrad = this.#node.edges[input] !== undefined;
    if (this.#dependsOnStageInput[input]) return markInput(copy, needsGrad);
    return needsGrad ? variable(copy) : undefined;
  }
}

function capturedAndDisposed(cause: TensorDisposedError): AutogradError {
  return new AutogradError(
    "CHECKPOINT_INPUT",
    "the body of a checkpoint runs again in the backward, and uses a tensor that was disposed after its first run; " +
      "pass the tensor to the checkpoint: checkpoint((x, mask) => ..., x, mask)",
    { cause },
  );
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
