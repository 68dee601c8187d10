import { gelu, relu } from "../../autograd/operators/activation.ts";
import { add } from "../../autograd/operators/arithmetic.ts";
import { checkedOptions, OptionError } from "../../errors/option-error.ts";
import type { DType } from "../../tensor/dtype.ts";
import type { Runtime } from "../../tensor/runtime.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { Module } from "../module.ts";
import { Dropout } from "./dropout.ts";
import { Linear } from "./linear.ts";
import { MultiheadAttention } from "./multihead-attention.ts";
import { LayerNorm } from "./norm.ts";

export interface TransformerEncoderLayerOptions {
  /** The size between the two linear layers. Default: 2048. */
  readonly feedForwardSize?: number | undefined;
  /** Default: 0.1. */
  readonly dropout?: number | undefined;
  /** Default: "relu". */
  readonly activation?: "relu" | "gelu" | undefined;
  /** Default: 1e-5. */
  readonly layerNormEps?: number | undefined;
  /** Whether sequences are [N, L, E] instead of [L, N, E]. Default: false, as in PyTorch. */
  readonly batchFirst?: boolean | undefined;
  /** Whether each norm comes before its part instead of after the sum. Default: false. */
  readonly normFirst?: boolean | undefined;
  readonly dtype?: DType | undefined;
}

const OPTION_NAMES = [
  "feedForwardSize",
  "dropout",
  "activation",
  "layerNormEps",
  "batchFirst",
  "normFirst",
  "dtype",
] as const;

/**
 * Self-attention and a feed-forward network, each with a residual connection, dropout and a layer norm: [L, N, E], or
 * [N, L, E] with `batchFirst`, to the same shape. Vaswani et al., 2017; with `normFirst` as Xiong et al., 2020.
 */
export class TransformerEncoderLayer extends Module<
  [x: Tensor, srcMask?: Tensor | null, srcKeyPaddingMask?: Tensor | null]
> {
  readonly self_attn: MultiheadAttention;
  readonly linear1: Linear;
  readonly linear2: Linear;
  readonly norm1: LayerNorm;
  readonly norm2: LayerNorm;
  readonly dropout: Dropout;
  readonly normFirst: boolean;
  readonly activation: "relu" | "gelu";

  /** @throws OptionError unless `numHeads` divides `hiddenSize`, or for an option that does not exist */
  constructor(
    runtime: Runtime,
    hiddenSize: number,
    numHeads: number,
    options: TransformerEncoderLayerOptions = {},
  ) {
    super(runtime);
    const {
      feedForwardSize = 2048,
      dropout = 0.1,
      activation = "relu",
      layerNormEps: eps = 1e-5,
      batchFirst = false,
      normFirst = false,
      dtype = "float32",
    } = checkedOptions("TransformerEncoderLayer", options, OPTION_NAMES);
    if (activation !== "relu" && activation !== "gelu")
      throw new OptionError(
        `TransformerEncoderLayer: activation must be "relu" or "gelu"; got ${String(activation)}`,
      );
    this.self_attn = new MultiheadAttention(runtime, hiddenSize, numHeads, { dropout, batchFirst, dtype });
    this.linear1 = new Linear(runtime, hiddenSize, feedForwardSize, { dtype });
    this.linear2 = new Linear(runtime, feedForwardSize, hiddenSize, { dtype });
    this.norm1 = new LayerNorm(runtime, hiddenSize, { eps, dtype });
    this.norm2 = new LayerNorm(runtime, hiddenSize, { eps, dtype });
    this.dropout = new Dropout(runtime, dropout);
    this.normFirst = normFirst;
    this.activation = activation;
  }

  /**
   * @param srcMask The `attnMask` of `MultiheadAttention`
   * @param srcKeyPaddingMask Its `keyPaddingMask`
   */
  forward(x: Tensor, srcMask: Tensor | null = null, srcKeyPaddingMask: Tensor | null = null): Tensor {
    const attend = (x: Tensor): Tensor =>
      this.dropout.call(this.self_attn.call(x, x, x, srcKeyPaddingMask, srcMask)[0]);
    if (this.normFirst) {
      const y = add(x, attend(this.norm1.call(x)));
      return add(y, this.#feedForward(this.norm2.call(y)));
    }
    const y = this.norm1.call(add(x, attend(x)));
    return this.norm2.call(add(y, this.#feedForward(y)));
  }

  #feedForward(x: Tensor): Tensor {
    const inner = this.linear1.call(x);
    const active = this.activation === "gelu" ? gelu(inner) : relu(inner);
    return this.dropout.call(this.linear2.call(this.dropout.call(active)));
  }
}
