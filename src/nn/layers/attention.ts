import { scaledDotProductAttention } from "../../autograd/operators/attention/attention.ts";
import { reshape, transpose } from "../../autograd/operators/shape.ts";
import { split } from "../../autograd/operators/slice.ts";
import { checkedOptions, OptionError } from "../../errors/option-error.ts";
import type { DType } from "../../tensor/dtype.ts";
import type { Runtime } from "../../tensor/runtime.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { Module } from "../module.ts";
import { Linear } from "./linear.ts";

export interface AttentionOptions {
  readonly bias?: boolean | undefined;
  readonly dtype?: DType | undefined;
}

/**
 * Multi-head attention of each position to itself and to those before it: [B, T, C] to [B, T, C], where C is the hidden
 * size. Per head, `softmax(q k^T / sqrt(C / numHeads)) v`. Queries, keys and values come from one projection; the names
 * are those of GPT-2. Vaswani et al., 2017.
 */
export class CausalSelfAttention extends Module {
  readonly c_attn: Linear;
  readonly c_proj: Linear;
  readonly #numHeads: number;

  /** @throws OptionError unless `numHeads` divides `hiddenSize` */
  constructor(runtime: Runtime, hiddenSize: number, numHeads: number, options: AttentionOptions = {}) {
    super(runtime);
    checkedOptions("CausalSelfAttention", options, ["bias", "dtype"]);
    if (!(numHeads >= 1 && hiddenSize % numHeads === 0))
      throw new OptionError(
        `the number of heads must divide the hidden size; got ${numHeads} heads and a hidden size of ${hiddenSize}`,
      );
    this.#numHeads = numHeads;
    this.c_attn = new Linear(runtime, hiddenSize, 3 * hiddenSize, options);
    this.c_proj = new Linear(runtime, hiddenSize, hiddenSize, options);
  }

  forward(x_BTC: Tensor): Tensor {
    const [B, T, C] = x_BTC.shape as [number, number, number];
    const heads = [B, T, this.#numHeads, C / this.#numHeads];
    const [q, k, v] = split(this.c_attn.call(x_BTC), C, -1).map((part) =>
      transpose(reshape(part, heads), 1, 2),
    ) as [Tensor, Tensor, Tensor];
    const y_BHTD = scaledDotProductAttention(q, k, v, { causal: true });
    return this.c_proj.call(reshape(transpose(y_BHTD, 1, 2), [B, T, C]));
  }
}
