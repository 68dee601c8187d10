import type { DType } from "../tensor/dtype.ts";
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
    this.unwatch();
    this.#leaf = new Leaf(requiresGrad, true);
    this.history = new History(this.#leaf, 0, false);
  }

  /** The sum of the gradients so far, or null; owned by the parameter. */
  get grad(): Tensor | null {
    return this.#leaf.grad;
  }

  /**
   * Takes over a gradient, and disposes the previous one.
   * @throws AutogradError unless it has the parameter's shape, and `gradDtype`
   */
  set grad(grad: Tensor | null) {
    if (grad !== null && (grad.dtype !== this.gradDtype || !sameShape(grad.shape, this.shape)))
      throw new AutogradError(
        "GRADIENT_MISMATCH",
        `the gradient of a parameter must be ${describe({ dtype: this.gradDtype, shape: this.shape })}; got ${describe(grad)}`,
      );
    if (grad !== this.#leaf.grad) this.#leaf.grad?.dispose();
    this.#leaf.grad = grad;
  }

  /** The dtype in which gradients are summed: the parameter's own, unless it was set. */
  get gradDtype(): DType {
    return this.#leaf.sumDtype ?? this.dtype;
  }

  /**
   * Drops the sum so far. A sum in bfloat16 stands still once it is 256 times a gradient, so with many
   * micro-batches set this to "float32". It is not the default because the sum then takes twice the memory, and a
   * product can no longer be added to it as it is computed; PyTorch, too, sums in the parameter's dtype.
   */
  set gradDtype(dtype: DType) {
    this.grad = null;
    this.#leaf.sumDtype = dtype === this.dtype ? undefined : dtype;
  }

  get requiresGrad(): boolean {
    return this.#leaf.requiresGrad;
  }

  /**
   * False freezes the parameter: its gradient is dropped, none is computed, and nothing is saved for one. An optimizer
   * leaves a parameter without a gradient as it is.
   */
  set requiresGrad(requiresGrad: boolean) {
    if (!requiresGrad) this.grad = null;
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
