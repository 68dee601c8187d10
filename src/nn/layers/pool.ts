import {
  adaptiveAvgPool,
  avgPool,
  maxPool,
  type PoolOptions,
  type Sizes,
} from "../../autograd/library/convolution.ts";
import { checkedOptions } from "../../errors/option-error.ts";
import type { Runtime } from "../../tensor/runtime.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { Module } from "../module.ts";

/** A window that moves over the spatial dimensions. */
abstract class WindowPool extends Module {
  readonly kernelSize: Sizes;
  readonly options: PoolOptions;

  constructor(runtime: Runtime, kernelSize: Sizes, options: PoolOptions = {}) {
    super(runtime);
    this.kernelSize = kernelSize;
    this.options = checkedOptions(this.constructor.name, options, ["stride", "padding"]);
  }
}

/** The largest element of each window: [N, C, ...spatial] to [N, C, ...smaller], for 1 to 3 spatial dimensions. */
export class MaxPool extends WindowPool {
  forward(x: Tensor): Tensor {
    return maxPool(x, this.kernelSize, this.options);
  }
}

/** The mean of each window: [N, C, ...spatial] to [N, C, ...smaller], for 1 to 3 spatial dimensions. */
export class AvgPool extends WindowPool {
  forward(x: Tensor): Tensor {
    return avgPool(x, this.kernelSize, this.options);
  }
}

/** The mean of as many windows as `outputSize` says: [N, C, ...spatial] to [N, C, ...outputSize]. */
export class AdaptiveAvgPool extends Module {
  readonly outputSize: Sizes;

  constructor(runtime: Runtime, outputSize: Sizes) {
    super(runtime);
    this.outputSize = outputSize;
  }

  forward(x: Tensor): Tensor {
    return adaptiveAvgPool(x, this.outputSize);
  }
}
