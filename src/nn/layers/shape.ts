import { flatten } from "../../autograd/operators/shape.ts";
import { checkedOptions } from "../../errors/option-error.ts";
import type { Runtime } from "../../tensor/runtime.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { Module } from "../module.ts";

/** Several dimensions as one: those from `startDim`, 1 if not given, to `endDim`, the last one. */
export class Flatten extends Module {
  readonly startDim: number;
  readonly endDim: number;

  constructor(
    runtime: Runtime,
    options: { readonly startDim?: number | undefined; readonly endDim?: number | undefined } = {},
  ) {
    super(runtime);
    const { startDim = 1, endDim = -1 } = checkedOptions("Flatten", options, ["startDim", "endDim"]);
    this.startDim = startDim;
    this.endDim = endDim;
  }

  forward(x: Tensor): Tensor {
    return flatten(x, this.startDim, this.endDim);
  }
}

/** Its input. */
export class Identity extends Module {
  forward(x: Tensor): Tensor {
    return x;
  }
}
