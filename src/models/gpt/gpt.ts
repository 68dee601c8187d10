import { add } from "../../autograd/operators/arithmetic.ts";
import type { Parameter } from "../../autograd/parameter.ts";
import { ModuleList } from "../../nn/containers.ts";
import { GELU } from "../../nn/layers/activation.ts";
import { CausalSelfAttention } from "../../nn/layers/attention.ts";
import { Dropout } from "../../nn/layers/dropout.ts";
import { Embedding } from "../../nn/layers/embedding.ts";
import { Linear } from "../../nn/layers/linear.ts";
import { MLP } from "../../nn/layers/mlp.ts";
import { LayerNorm } from "../../nn/layers/norm.ts";
import { Module } from "../../nn/module.ts";
import type { DType } from "../../tensor/dtype.ts";
import type { Runtime } from "../../tensor/runtime.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { LanguageStage, LayerSlice } from "../model-family.ts";

export interface GptConfig {
  readonly vocabSize: number;
  /** The number of position embeddings: the most tokens that the model sees at once. */
  readonly contextLength: number;
  readonly numLayers: number;
  readonly numHeads: number;
  /** Width of the residual stream. */
  readonly hiddenSize: number;
  /** Width of the MLP as a multiple of `hiddenSize`; 4 by default. */
  readonly mlpRatio?: number | undefined;
  /** Whether the head uses the token embedding's weight; false by default. */
  readonly tieEmbeddings?: boolean | undefined;
  /** Share of the embeddings, and of what each half of a block adds, that training drops; 0 by default. */
  readonly dropout?: number | undefined;
  /** The dtype of all parameters; float32 by default. */
  readonly dtype?: DType | undefined;
}

/** A layer: attention, then an MLP; each takes a normalized input and is added to it. [B, T, C] to [B, T, C]. */
class GptBlock extends Module {
  readonly ln_1: LayerNorm;
  readonly attn: CausalSelfAttention;
  readonly ln_2: LayerNorm;
  readonly mlp: MLP;
  readonly drop: Dropout;

  constructor(runtime: Runtime, config: GptConfig) {
    super(runtime);
    const { hiddenSize, numHeads, mlpRatio = 4, dropout = 0, dtype = "float32" } = config;
    this.ln_1 = new LayerNorm(runtime, hiddenSize, { dtype });
    this.attn = new CausalSelfAttention(runtime, hiddenSize, numHeads, { dtype });
    this.ln_2 = new LayerNorm(runtime, hiddenSize, { dtype });
    const activation = new GELU(runtime, { approximate: "tanh" });
    this.mlp = new MLP(runtime, hiddenSize, mlpRatio * hiddenSize, { dtype, activation });
    this.drop = new Dropout(runtime, dropout);
  }

  forward(x_BTC: Tensor): Tensor {
    const y_BTC = add(x_BTC, this.drop.call(this.attn.call(this.ln_1.call(x_BTC))));
    return add(y_BTC, this.drop.call(this.mlp.call(this.ln_2.call(y_BTC))));
  }
}

/** A stage's part of GPT-2's `transformer`: token indices or [B, T, C] to [B, T, C]. */
class GptTransformer extends Module {
  readonly wte: Embedding | null;
  readonly wpe: Embedding | null;
  readonly drop: Dropout;
  readonly h: ModuleList<GptBlock>;
  readonly ln_f: LayerNorm | null;

  constructor(runtime: Runtime, config: GptConfig, slice: LayerSlice) {
    super(runtime);
    const { vocabSize, contextLength, hiddenSize, dropout = 0, dtype = "float32" } = config;
    const { firstLayer, endLayer, hasEmbeddings, hasHead } = slice;
    this.wte = hasEmbeddings ? new Embedding(runtime, vocabSize, hiddenSize, { dtype }) : null;
    this.wpe = hasEmbeddings ? new Embedding(runtime, contextLength, hiddenSize, { dtype }) : null;
    this.drop = new Dropout(runtime, dropout);
    const blocks = Array.from({ length: endLayer - firstLayer }, () => new GptBlock(runtime, config));
    this.h = new ModuleList(runtime, blocks, { firstIndex: firstLayer });
    this.ln_f = hasHead ? new LayerNorm(runtime, hiddenSize, { dtype }) : null;
  }

  forward(input: Tensor): Tensor {
    let x_BTC = this.#embed(input);
    for (const block of this.h) x_BTC = block.call(x_BTC);
    return this.ln_f === null ? x_BTC : this.ln_f.call(x_BTC);
  }

  #embed(input: Tensor): Tensor {
    if (this.wte === null || this.wpe === null) return input;
    const positions_T = this.runtime.arange(input.shape[1]!);
    return this.drop.call(add(this.wte.call(input), this.wpe.call(positions_T)));
  }
}

/**
 * One stage of a decoder-only GPT with the layers and names of GPT-2. Weights are [out, in], as in PyTorch's `Linear`,
 * where GPT-2's own files have [in, out]. Radford et al., 2019.
 *
 * The first stage takes token indices, int64 [B, T]; every other stage takes the [B, T, C] of the stage before it; the
 * last returns logits [B, T, V]. State-dict keys are those of the whole model, so the dicts of all stages merge into
 * one.
 */
export class GptStage extends Module implements LanguageStage {
  readonly config: GptConfig;
  readonly slice: LayerSlice;
  readonly transformer: GptTransformer;
  readonly lm_head: Linear | null;

  /** @param tokenEmbedding For a tied head: the token embedding's weight, when another stage of this rank holds it. */
  constructor(runtime: Runtime, config: GptConfig, slice: LayerSlice, tokenEmbedding?: Parameter) {
    super(runtime);
    const { vocabSize, hiddenSize, dtype = "float32" } = config;
    this.config = config;
    this.slice = slice;
    this.transformer = new GptTransformer(runtime, config, slice);
    const weight = config.tieEmbeddings ? (this.transformer.wte?.weight ?? tokenEmbedding) : undefined;
    this.lm_head = slice.hasHead
      ? new Linear(runtime, hiddenSize, vocabSize, { bias: false, dtype, weight })
      : null;
  }

  forward(input: Tensor): Tensor {
    const x_BTC = this.transformer.call(input);
    return this.lm_head === null ? x_BTC : this.lm_head.call(x_BTC);
  }
}
