import { Tensor } from "../tensor/tensor.ts";

/**
 * A tensor of a module's state that is not trained, such as a running mean: PyTorch's buffer. It is in the state dict,
 * and no gradient flows through it. It belongs to no scope, so its module disposes it.
 *
 * @example
 * class Counter extends Module {
 *   readonly count = new ModuleBuffer(this.runtime.zeros([], "int64"));
 *   forward(x: Tensor): Tensor {
 *     return x;
 *   }
 * }
 */
export class ModuleBuffer extends Tensor {
  /** Takes over the elements of `tensor`, and disposes it. */
  constructor(tensor: Tensor) {
    super(tensor.runtime, tensor.shareCell());
    tensor.dispose();
    this.unwatch();
  }
}
