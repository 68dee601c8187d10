import { Backward, type GraphRoot } from "../../autograd/backward.ts";
import type { Leaf } from "../../autograd/graph.ts";
import { sameShape } from "../../tensor/shape.ts";
import type { Suspendable } from "../../tensor/suspension.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { disposeTensors, type Message } from "../../transport/process-group.ts";
import { StepError, type StepLocation } from "../errors/step-error.ts";

export interface InFlightOptions {
  /** The stage and the micro-batch, for errors. */
  readonly location: StepLocation;
  /** Where the gradient of each input is summed, if it has one. */
  readonly leaves: readonly (Leaf | undefined)[];
  /** The outputs to send; none in the last stage. */
  readonly outputs: Message;
  /** The end of the graph of each output, or of the loss alone in the last stage; null where no gradient flows. */
  readonly roots: readonly (GraphRoot | null)[];
  /** The gradient of the loss, in the last stage. */
  readonly lossGrad?: Tensor;
}

/** One micro-batch in one stage, between its forward and its W. */
export class InFlight {
  readonly #options: InFlightOptions;
  #outputs: Message;
  #walk: Backward | undefined;

  constructor(options: InFlightOptions) {
    this.#options = options;
    this.#outputs = options.outputs;
  }

  /** Frees the outputs' elements. The graph stays: a root knows the shape of its output, not the output. */
  freeOutputs(): void {
    disposeTensors(this.#outputs);
    this.#outputs = [];
  }

  /**
   * Starts a backward from the outputs that got a gradient, or from the loss when `outputGrads` is null.
   * @returns The walk, which has not begun, and its gradients, which are borrowed.
   */
  startBackward(outputGrads: Message | null): { walk: Backward; gradients: readonly Tensor[] } {
    const { roots, lossGrad } = this.#options;
    const given = lossGrad ? [lossGrad] : (outputGrads ?? []);
    if (given.length !== roots.length)
      throw this.#mismatch(
        `${given.length} gradients arrived for ${roots.length} outputs; the next stage must take every output as an input`,
      );
    const walked: GraphRoot[] = [];
    const gradients: Tensor[] = [];
    roots.forEach((root, i) => {
      const gradient = given[i] ?? null;
      if (root === null) return;
      if (gradient === null) {
        new Backward([root]).end();
        return;
      }
      this.#checkForm(i, root, gradient);
      walked.push(root);
      gradients.push(gradient);
    });
    this.#walk = new Backward(walked);
    return { walk: this.#walk, gradients };
  }

  /** W, after I. @param onFinal Hears of leaves to which W adds no more. */
  backwardWeights(onFinal?: (leaf: Leaf) => void): Suspendable<void> {
    return this.#walk!.backwardWeights(onFinal);
  }

  /** The gradients of the inputs, which belong to the caller from then on. */
  takeInputGrads(): Message {
    return this.#options.leaves.map((leaf) => {
      const grad = leaf?.grad ?? null;
      if (leaf) leaf.grad = null;
      return grad;
    });
  }

  /** Frees everything, at the end of W or wherever a failed step left it. */
  dispose(): void {
    const { leaves, roots, lossGrad } = this.#options;
    this.freeOutputs();
    lossGrad?.dispose();
    for (const leaf of leaves) leaf?.grad?.dispose();
    const walk = this.#walk ?? new Backward(roots.filter((root) => root !== null));
    walk.end();
  }

  #checkForm(output: number, { shape, dtype }: GraphRoot, gradient: Tensor): void {
    if (!sameShape(gradient.shape, shape))
      throw this.#mismatch(
        `output ${output} has the shape [${shape}] and its gradient [${gradient.shape}]; they must be equal`,
      );
    if (gradient.dtype !== dtype)
      throw this.#mismatch(
        `output ${output} is ${dtype} and its gradient, which the next stage computed, is ${gradient.dtype}; they must be equal`,
      );
  }

  #mismatch(message: string): StepError {
    return new StepError("SHAPE_MISMATCH", this.#options.location, message);
  }
}
