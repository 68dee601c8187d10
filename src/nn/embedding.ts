import { embedding } from "../autograd/operators/embedding.ts";
import type { Parameter } from "../autograd/parameter.ts";
import type { DType } from "../tensor/dtype.ts";
import type { Runtime } from "../tensor/runtime.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { normalParameter } from "./initial.ts";
import { Module } from "./module.ts";

/** A table of vectors: int64 indices [...] to [..., numFeatures]. */
export class Embedding extends Module {
  /** [numEntries, numFeatures], at the start standard normal. */
  readonly weight: Parameter;

  constructor(
    runtime: Runtime,
    numEntries: number,
    numFeatures: number,
    { dtype = "float32" }: { readonly dtype?: DType } = {},
  ) {
    super(runtime);
    this.weight = normalParameter(runtime, [numEntries, numFeatures], dtype);
  }

  forward(indices: Tensor): Tensor {
    return embedding(this.weight, indices);
  }
}
