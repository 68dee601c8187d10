import * as kernels from "../tensor/kernels/index.ts";
import { describe, sameShape } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { AutogradError } from "./autograd-error.ts";
import { History, Leaf } from "./graph.ts";

/** A tensor that is trained: a leaf of every graph. It belongs to no scope, so its owner disposes it. */
export class Parameter extends Tensor {
  readonly #leaf: Leaf;
  #transposed: Tensor | undefined = undefined;

  /** Takes over the elements of `tensor`, and disposes it. */
  constructor(tensor: Tensor, requiresGrad = true) {
    super(tensor.runtime, tensor.shareCell());
    tensor.dispose();
    this.#leaf = new Leaf(requiresGrad, true);
    this.history = new History(this.#leaf, 0, false);
  }

  /** The sum of the gradients so far, or null; owned by the parameter. */
  get grad(): Tensor | null {
    return this.#leaf.grad;
  }

  /**
   * Takes over a gradient, and disposes the previous one.
   * @throws AutogradError unless it has the parameter's shape and dtype
   */
  set grad(grad: Tensor | null) {
    if (grad !== null && (grad.dtype !== this.dtype || !sameShape(grad.shape, this.shape)))
      throw new AutogradError(
        "GRADIENT_MISMATCH",
        `the gradient of a parameter must be ${describe(this)}, like the parameter; got ${describe(grad)}`,
      );
    if (grad !== this.#leaf.grad) this.#leaf.grad?.dispose();
    this.#leaf.grad = grad;
  }

  get requiresGrad(): boolean {
    return this.#leaf.requiresGrad;
  }

  /** False freezes the parameter: no gradient is computed for it, and nothing is saved for one. */
  set requiresGrad(requiresGrad: boolean) {
    this.#leaf.requiresGrad = requiresGrad;
  }

  /** A view [in, out] of a weight [out, in], made once and owned by the parameter. */
  get transposed(): Tensor {
    if (this.#transposed === undefined) {
      this.#transposed = this.runtime.scope(() => kernels.t(this).share());
    }
    return this.#transposed;
  }

  override dispose(): void {
    this.grad = null;
    this.#transposed?.dispose();
    super.dispose();
  }
}
