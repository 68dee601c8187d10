import { checkedOptions } from "../../errors/option-error.ts";
import type { DType } from "../../tensor/dtype.ts";
import type { Runtime } from "../../tensor/runtime.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { Module } from "../module.ts";
import { GELU } from "./activation.ts";
import { Linear } from "./linear.ts";

export interface MLPOptions {
  readonly bias?: boolean | undefined;
  readonly dtype?: DType | undefined;
  /** Applied between the two layers; by default GELU. */
  readonly activation?: Module | undefined;
}

/**
 * Two linear layers with an activation between them: [..., hiddenSize] to [..., innerSize] and back. The names are
 * those of GPT-2.
 */
export class MLP extends Module {
  readonly c_fc: Linear;
  readonly activation: Module;
  readonly c_proj: Linear;

  constructor(runtime: Runtime, hiddenSize: number, innerSize: number, options: MLPOptions = {}) {
    super(runtime);
    const { activation = new GELU(runtime), ...ofLayers } = checkedOptions("MLP", options, [
      "bias",
      "dtype",
      "activation",
    ]);
    this.c_fc = new Linear(runtime, hiddenSize, innerSize, ofLayers);
    this.activation = activation;
    this.c_proj = new Linear(runtime, innerSize, hiddenSize, ofLayers);
  }

  forward(x: Tensor): Tensor {
    return this.c_proj.call(this.activation.call(this.c_fc.call(x)));
  }
}
