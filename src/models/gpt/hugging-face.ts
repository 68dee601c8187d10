import type { HuggingFaceLayout, ModelContext } from "../model-family.ts";
import type { GptSection } from "./section.ts";

/** A GPT as `GPT2LMHeadModel` stores it. Our parameters have its names. */
export function toHuggingFace(model: GptSection, context: ModelContext): HuggingFaceLayout {
  return {
    config: configOf(model, context),
    // GPT-2's own layers keep their weights as [in, out].
    tensorOf: (name) => ({ name, isTransposed: /\.(c_attn|c_proj|c_fc)\.weight$/.test(name) }),
  };
}

function configOf(model: GptSection, { vocabSize, contextLength, dtype }: ModelContext) {
  const endOfText = vocabSize - 1;
  return {
    architectures: ["GPT2LMHeadModel"],
    model_type: "gpt2",
    vocab_size: vocabSize,
    n_positions: contextLength,
    n_embd: model.hiddenSize,
    n_layer: model.numLayers,
    n_head: model.numHeads,
    n_inner: model.mlpRatio * model.hiddenSize,
    activation_function: "gelu_new",
    layer_norm_epsilon: 1e-5,
    resid_pdrop: model.dropout,
    embd_pdrop: model.dropout,
    attn_pdrop: 0,
    tie_word_embeddings: model.tieEmbeddings,
    bos_token_id: endOfText,
    eos_token_id: endOfText,
    torch_dtype: dtype,
  };
}
