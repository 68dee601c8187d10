import { eq } from "../../autograd/library/comparison.ts";
import { where } from "../../autograd/operators/arithmetic.ts";
import { embedding } from "../../autograd/operators/embedding.ts";
import { unsqueeze } from "../../autograd/operators/shape.ts";
import type { Parameter } from "../../autograd/parameter.ts";
import { detach } from "../../autograd/record.ts";
import { checkedOptions, OptionError } from "../../errors/option-error.ts";
import type { DType } from "../../tensor/dtype.ts";
import * as kernels from "../../tensor/kernels/index.ts";
import type { Runtime } from "../../tensor/runtime.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { fillConstant, normalParameter } from "../initial.ts";
import { Module } from "../module.ts";

/** A table of vectors, looked up by index: int64 indices [...] to [..., hiddenSize]. */
export class Embedding extends Module {
  /** The index of what is not there: its vector gets no gradient, and is initially 0. */
  readonly paddingIndex: number | undefined;
  /** [numEntries, hiddenSize]; initially standard normal, as PyTorch's `nn.Embedding`. */
  readonly weight: Parameter;

  constructor(
    runtime: Runtime,
    numEntries: number,
    hiddenSize: number,
    options: { readonly paddingIndex?: number | undefined; readonly dtype?: DType | undefined } = {},
  ) {
    super(runtime);
    const { paddingIndex, dtype = "float32" } = checkedOptions("Embedding", options, [
      "paddingIndex",
      "dtype",
    ]);
    if (
      paddingIndex !== undefined &&
      !(Number.isInteger(paddingIndex) && Math.abs(paddingIndex + 0.5) < numEntries)
    )
      throw new OptionError(
        `Embedding: paddingIndex must be an index of the ${numEntries} entries, from the end if negative; got ${paddingIndex}`,
      );
    this.paddingIndex =
      paddingIndex !== undefined && paddingIndex < 0 ? numEntries + paddingIndex : paddingIndex;
    this.weight = normalParameter(runtime, [numEntries, hiddenSize], dtype);
    if (this.paddingIndex !== undefined) {
      const { paddingIndex } = this;
      runtime.scope(() => fillConstant(kernels.select(this.weight, 0, paddingIndex), 0));
    }
  }

  forward(indices: Tensor): Tensor {
    const vectors = embedding(this.weight, indices);
    if (this.paddingIndex === undefined) return vectors;
    return where(unsqueeze(eq(indices, this.paddingIndex), -1), detach(vectors), vectors);
  }
}
