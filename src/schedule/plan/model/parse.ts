/*
 * The sizes of a model, from its Hugging Face config.json.
 *
 * There are hundreds of kinds of models, with keys of their own. A reader that takes the sizes it knows and ignores the
 * rest would plan another model than the file describes, with times that look right. So only the kinds in `KINDS` are
 * read, and what else changes the parameters or the time is refused by its name.
 */
import { shown } from "../../../errors/shown.ts";
import { ScheduleError } from "../../program/schedule-error.ts";
import { readExperts, readLatent } from "./experts.ts";
import { count, type Fields, failModel, flag, isPresent } from "./fields.ts";
import { KINDS, type Kind } from "./kinds.ts";
import {
  commonParameters,
  embeddingParameters,
  expertParameters,
  layerParameters,
  type ModelShape,
  type ParameterCounts,
} from "./model-shape.ts";

const GATED = ["silu", "swiglu", "geglu"];

/** Keys that stand for a part that not every decoder has, with what they stand for. */
const OTHER_PARTS: readonly (readonly [RegExp, string])[] = [
  [/expert|^moe$|^moe_(?!layer_freq$)|_moe(_|$)/i, "a mixture of experts"],
  [/^is_encoder_decoder$|^encoder_|^decoder_(?!sparse_step$)|cross_attention/, "an encoder with a decoder"],
  [/^(vision|audio|text|speech|thinker)_config$/, "a model of several modalities"],
  [/^(q|kv)_lora_rank$/, "latent attention"],
  [/^multi_query$|^new_decoder_architecture$/, "attention with a layout of its own"],
  [/^parallel_attn$|^use_parallel_residual$/, "attention next to the MLP"],
  [/^(attention|mlp|qkv|use_qkv|use|enable)_bias$|^bias$/, "biases of its own"],
  [/^qk_layernorm$|^use_qk_norm$/, "norms of queries and keys"],
  [/^(state_size|ssm_|mamba_|conv_kernel|linear_|attn_layer_)/, "layers without attention"],
];

function refuse(what: string): never {
  throw new ScheduleError(
    "INVALID_PLAN",
    `model: ${what} cannot be planned; only decoder-only transformers can: ` +
      `${[...KINDS.keys()].join(", ")}, or one without model_type and architectures that is built like them`,
  );
}

/** The kind of model that the config names, after a check that its layers can be planned. */
function kindOf(fields: Fields): Kind | undefined {
  const { model_type: type, architectures } = fields;
  const byType = typeof type === "string" ? KINDS.get(type) : undefined;
  const known = [...KINDS.values()];
  const named = Array.isArray(architectures) ? architectures : [architectures].filter(isPresent);
  const found = named.map((name) => known.find(({ architecture }) => architecture === name));
  const kind = byType ?? found[0];
  for (const [key, value] of Object.entries(fields)) {
    const part = OTHER_PARTS.find(([pattern]) => pattern.test(key))?.[1];
    if (part !== undefined && isPresent(value) && !kind?.known?.includes(key)) {
      const name = type === undefined ? "" : ` of model_type ${shown(type)}`;
      refuse(`${part} (${key}: ${shown(value)})${name}`);
    }
  }
  if (isPresent(type) && byType === undefined) refuse(`model_type ${shown(type)}`);
  const unknown = found.findIndex((other) => other === undefined || other !== kind);
  if (unknown >= 0) {
    const ofType = byType === undefined ? "" : ` of model_type ${shown(type)}`;
    refuse(`architecture ${shown(named[unknown])}${ofType}`);
  }
  const layers = Array.isArray(fields.layer_types) ? fields.layer_types : [];
  const other = layers.find((layer) => layer !== "full_attention" && layer !== "sliding_attention");
  if (other !== undefined) refuse(`a layer of type ${shown(other)} (layer_types)`);
  return kind;
}

/**
 * Reads the shape from a Hugging Face `config.json` of a kind in `KINDS`, or with their keys and without a kind.
 * @throws ScheduleError `INVALID_PLAN` with the key that is missing or wrong, or the name of what cannot be planned
 */
export function parseModelConfig(text: string): ModelShape {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    failModel("the file must be JSON", text.slice(0, 40));
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed))
    failModel("the file must be an object", parsed);
  const fields = parsed as Fields;
  const kind = kindOf(fields);
  const shape = readShape(fields, kind);
  return kind === undefined ? shape : { ...shape, counts: countParameters(shape, kind, fields) };
}

function readShape(fields: Fields, kind: Kind | undefined): ModelShape {
  const hiddenSize = count(fields, ["hidden_size", "n_embd", "n_embed"]);
  const width = fields.word_embed_proj_dim ?? hiddenSize;
  if (width !== hiddenSize) failModel(`word_embed_proj_dim must be the hidden size, ${hiddenSize}`, width);
  const numHeads = count(fields, ["num_attention_heads", "n_head"]);
  const activation = fields.hidden_act ?? fields.activation_function ?? "gelu";
  const isGated = kind?.isGated ?? GATED.includes(String(activation).toLowerCase());
  const mlpSize = count(
    fields,
    ["intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size"],
    4 * hiddenSize,
  );
  const byKind = kind?.keyValueHeads?.(fields);
  const numKeyValueHeads =
    byKind === 1
      ? 1
      : count(fields, ["num_key_value_heads", "num_kv_heads", "n_head_kv"], byKind ?? numHeads);
  const experts = kind && readExperts(kind, fields, mlpSize);
  return {
    hiddenSize,
    numLayers: count(fields, ["num_hidden_layers", "n_layer"]),
    ...{ numHeads, numKeyValueHeads },
    headSize: count(fields, ["head_dim"], kind?.headSize ?? Math.max(1, Math.floor(hiddenSize / numHeads))),
    ...{ mlpSize, numMlpMatrices: isGated ? 3 : 2 },
    vocabularySize: count(fields, ["vocab_size"]),
    tiedEmbedding: flag(fields, "tie_word_embeddings", kind?.isTied ?? false),
    ...(kind?.experts === "deepseek" && readLatent(fields, hiddenSize, numHeads)),
    ...(experts && { experts }),
  };
}

function countParameters(model: ModelShape, kind: Kind, fields: Fields): ParameterCounts {
  const { hiddenSize, numHeads, numKeyValueHeads, headSize, mlpSize, numLayers, experts } = model;
  const sizes = {
    ...{ h: hiddenSize, q: numHeads * headSize, kv: numKeyValueHeads * headSize, m: mlpSize, d: headSize },
    vocabulary: model.vocabularySize,
  };
  const numDense = experts?.numDenseLayers ?? numLayers;
  const numMixed = numLayers - numDense;
  // Qwen2's shared expert has a gate; DeepSeek-V3's router has a bias.
  const gate =
    (kind.architecture === "Qwen2MoeForCausalLM" ? hiddenSize : 0) +
    (kind.architecture === "DeepseekV3ForCausalLM" ? (experts?.numExperts ?? 0) : 0);
  const common =
    numDense * layerParameters(model) +
    numMixed * (commonParameters(model) + gate) +
    numLayers * kind.perLayer(sizes, fields) +
    kind.outside(sizes, fields) +
    embeddingParameters(model) * (model.tiedEmbedding ? 1 : 2);
  const ofExperts = expertParameters(model);
  return { total: common + numMixed * ofExperts.total, active: common + numMixed * ofExperts.active };
}
