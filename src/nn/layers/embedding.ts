import { embedding } from "../../autograd/operators/embedding.ts";
import type { Parameter } from "../../autograd/parameter.ts";
import { checkedOptions } from "../../errors/option-error.ts";
import type { DType } from "../../tensor/dtype.ts";
import type { Runtime } from "../../tensor/runtime.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { normalParameter } from "../initial.ts";
import { Module } from "../module.ts";

/** A table of vectors, looked up by index: int64 indices [...] to [..., hiddenSize]. */
export class Embedding extends Module {
  /** [numEntries, hiddenSize]; initially standard normal, as PyTorch's `nn.Embedding`. */
  readonly weight: Parameter;

  constructor(
    runtime: Runtime,
    numEntries: number,
    hiddenSize: number,
    options: { readonly dtype?: DType | undefined } = {},
  ) {
    super(runtime);
    const { dtype = "float32" } = checkedOptions("Embedding", options, ["dtype"]);
    this.weight = normalParameter(runtime, [numEntries, hiddenSize], dtype);
  }

  forward(indices: Tensor): Tensor {
    return embedding(this.weight, indices);
  }
}
