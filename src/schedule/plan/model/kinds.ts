/*
 * What each kind of model has that its config.json does not say.
 *
 * Formulas count parameters next to the matrices: norms, biases and position tables. Each follows the modules of the
 * kind in Hugging Face Transformers 4.57 (models/<kind>/modeling_<kind>.py), and absent keys have the values that
 * Transformers gives them. h is the hidden size, q and kv are the sizes of the queries and of the keys, m is the size
 * of the MLP, d of a head.
 */
import { count, type Fields, flag } from "./fields.ts";

/** Sizes that the formulas use. */
export interface KindSizes {
  readonly h: number;
  readonly q: number;
  readonly kv: number;
  readonly m: number;
  readonly d: number;
  readonly vocabulary: number;
}

type Formula = (sizes: KindSizes, fields: Fields) => number;

/** A kind of model. */
export interface Kind {
  readonly architecture: string;
  readonly isGated: boolean;
  /** Whether the head is the embedding unless `tie_word_embeddings` says something else. */
  readonly isTied?: true;
  /** Parameters of a layer next to its matrices. */
  readonly perLayer: Formula;
  /** Parameters outside the layers next to embedding and head. */
  readonly outside: Formula;
  /** Key and value heads unless the config says so; as many as heads unless given. */
  readonly keyValueHeads?: (fields: Fields) => number | undefined;
  readonly headSize?: number;
  /** Where the sizes of experts stand. */
  readonly experts?: "mixtral" | "qwen" | "deepseek";
  /** Keys that are read, or change nothing here, though other kinds have other parts by these names. */
  readonly known?: readonly string[];
}

const oneNorm: Formula = ({ h }) => h;
const oneLayerNorm: Formula = ({ h }) => 2 * h;
/** Biases of queries, keys and values. */
const ofQkv: Formula = ({ q, kv }) => q + 2 * kv;
/** Biases of attention and of an MLP without a gate. */
const ofAll: Formula = (sizes, fields) => ofQkv(sizes, fields) + 2 * sizes.h + sizes.m;
const when = (is: boolean, value: number) => (is ? value : 0);

const llamaLayer: Formula = ({ h, q, kv, m }, fields) =>
  2 * h + when(flag(fields, "attention_bias"), q + 2 * kv + h) + when(flag(fields, "mlp_bias"), 2 * m + h);
const LLAMA = {
  ...{ isGated: true, perLayer: llamaLayer, outside: oneNorm },
  known: ["attention_bias", "mlp_bias"],
} as const;
const qwen3Layer: Formula = ({ h, q, kv, d }, fields) =>
  2 * h + 2 * d + when(flag(fields, "attention_bias"), q + 2 * kv + h);
const qwen2MoeLayer: Formula = (sizes, fields) =>
  2 * sizes.h + when(flag(fields, "qkv_bias", true), ofQkv(sizes, fields));
const biasedLayer =
  (norms: number): Formula =>
  (sizes, fields) =>
    norms * sizes.h + ofAll(sizes, fields);
const gemmaBias: Formula = ({ h, q, kv }, fields) => when(flag(fields, "attention_bias"), q + 2 * kv + h);

const MIXTRAL_KEYS = ["num_experts_per_tok", "num_local_experts"];
const QWEN_KEYS = [
  ...["num_experts", "num_experts_per_tok", "moe_intermediate_size", "shared_expert_intermediate_size"],
  ...["qkv_bias", "attention_bias", "use_qk_norm"],
];
const DEEPSEEK_KEYS = [
  ...["n_routed_experts", "n_shared_experts", "num_experts_per_tok", "moe_intermediate_size"],
  ...["q_lora_rank", "kv_lora_rank"],
];
const deepseekLayer: Formula = ({ h }, fields) =>
  2 * h +
  count(fields, ["kv_lora_rank"], 512) +
  (fields.q_lora_rank === null ? 0 : count(fields, ["q_lora_rank"], 1536));
const positions: Formula = ({ h }, fields) =>
  h * count(fields, ["n_positions", "max_position_embeddings"], 1024) + 2 * h;

/** An OPT layer, and what it has outside of its layers. */
const optOutside: Formula = ({ h }, fields) =>
  h * (count(fields, ["max_position_embeddings"], 2048) + 2) +
  when(flag(fields, "do_layer_norm_before", true) && !flag(fields, "_remove_final_layer_norm"), 2 * h);

const falconLayer: Formula = (sizes, fields) => {
  const isNew = flag(fields, "new_decoder_architecture");
  const numNorms = isNew
    ? count(fields, ["num_ln_in_parallel_attn"], 2)
    : flag(fields, "parallel_attn", true)
      ? 1
      : 2;
  return 2 * numNorms * sizes.h + when(flag(fields, "bias"), ofAll(sizes, fields));
};

/** The kinds of models that can be planned. */
export const KINDS: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  [
    "gpt2",
    {
      architecture: "GPT2LMHeadModel",
      isGated: false,
      isTied: true,
      perLayer: biasedLayer(4),
      outside: positions,
    },
  ],
  [
    "gpt_bigcode",
    {
      ...{ architecture: "GPTBigCodeForCausalLM", isGated: false, isTied: true, known: ["multi_query"] },
      ...{ perLayer: biasedLayer(4), outside: positions },
      keyValueHeads: (fields) => (flag(fields, "multi_query", true) ? 1 : undefined),
    },
  ],
  [
    "gptj",
    {
      ...{ architecture: "GPTJForCausalLM", isGated: false },
      ...{ perLayer: ({ h, m }) => 3 * h + m, outside: ({ h, vocabulary }) => 2 * h + vocabulary },
    },
  ],
  [
    "gpt_neox",
    {
      ...{ architecture: "GPTNeoXForCausalLM", isGated: false, outside: oneLayerNorm },
      known: ["attention_bias", "use_parallel_residual"],
      perLayer: ({ h, m }, fields) => 5 * h + m + when(flag(fields, "attention_bias", true), 4 * h),
    },
  ],
  [
    "bloom",
    {
      ...{ architecture: "BloomForCausalLM", isGated: false, isTied: true },
      ...{ perLayer: biasedLayer(4), outside: ({ h }) => 4 * h },
    },
  ],
  [
    "opt",
    {
      ...{ architecture: "OPTForCausalLM", isGated: false, isTied: true, known: ["enable_bias"] },
      perLayer: (sizes, fields) =>
        4 * sizes.h + when(flag(fields, "enable_bias", true), ofAll(sizes, fields)),
      outside: optOutside,
    },
  ],
  [
    "falcon",
    {
      ...{ architecture: "FalconForCausalLM", isGated: false, isTied: true },
      ...{ perLayer: falconLayer, outside: oneLayerNorm },
      known: ["multi_query", "new_decoder_architecture", "parallel_attn", "bias"],
      keyValueHeads: (fields) =>
        !flag(fields, "new_decoder_architecture") && flag(fields, "multi_query", true) ? 1 : undefined,
    },
  ],
  ["llama", { ...LLAMA, architecture: "LlamaForCausalLM" }],
  ["granite", { ...LLAMA, architecture: "GraniteForCausalLM" }],
  ["smollm3", { ...LLAMA, architecture: "SmolLM3ForCausalLM", isTied: true, keyValueHeads: () => 4 }],
  [
    "mistral",
    {
      ...{ architecture: "MistralForCausalLM", isGated: true, perLayer: oneLayerNorm, outside: oneNorm },
      keyValueHeads: () => 8,
    },
  ],
  [
    "mixtral",
    {
      ...{ architecture: "MixtralForCausalLM", isGated: true, perLayer: oneLayerNorm, outside: oneNorm },
      ...{ keyValueHeads: () => 8, experts: "mixtral", known: MIXTRAL_KEYS },
    },
  ],
  [
    "qwen2",
    {
      ...{ architecture: "Qwen2ForCausalLM", isGated: true, outside: oneNorm },
      perLayer: (sizes, fields) => 2 * sizes.h + ofQkv(sizes, fields),
    },
  ],
  [
    "qwen2_moe",
    {
      ...{ architecture: "Qwen2MoeForCausalLM", isGated: true, outside: oneNorm, experts: "qwen" },
      ...{ perLayer: qwen2MoeLayer, known: QWEN_KEYS },
    },
  ],
  [
    "qwen3",
    {
      ...{ architecture: "Qwen3ForCausalLM", isGated: true, outside: oneNorm, headSize: 128 },
      ...{ perLayer: qwen3Layer, known: ["attention_bias", "use_qk_norm"] },
    },
  ],
  [
    "qwen3_moe",
    {
      ...{ architecture: "Qwen3MoeForCausalLM", isGated: true, outside: oneNorm, experts: "qwen" },
      ...{ keyValueHeads: () => 4, perLayer: qwen3Layer, known: QWEN_KEYS },
    },
  ],
  [
    "gemma",
    {
      ...{ architecture: "GemmaForCausalLM", isGated: true, isTied: true, outside: oneNorm, headSize: 256 },
      perLayer: (sizes, fields) => 2 * sizes.h + gemmaBias(sizes, fields),
      known: ["attention_bias"],
    },
  ],
  [
    "gemma2",
    {
      ...{ architecture: "Gemma2ForCausalLM", isGated: true, isTied: true, outside: oneNorm, headSize: 256 },
      perLayer: (sizes, fields) => 4 * sizes.h + gemmaBias(sizes, fields),
      ...{ known: ["attention_bias"], keyValueHeads: () => 4 },
    },
  ],
  [
    "gemma3_text",
    {
      ...{ architecture: "Gemma3ForCausalLM", isGated: true, isTied: true, outside: oneNorm, headSize: 256 },
      perLayer: (sizes, fields) => 4 * sizes.h + 2 * sizes.d + gemmaBias(sizes, fields),
      ...{ known: ["attention_bias"], keyValueHeads: () => 4 },
    },
  ],
  [
    "phi",
    {
      ...{ architecture: "PhiForCausalLM", isGated: false, perLayer: biasedLayer(2) },
      outside: ({ h, vocabulary }) => 2 * h + vocabulary,
    },
  ],
  ["phi3", { architecture: "Phi3ForCausalLM", isGated: true, perLayer: oneLayerNorm, outside: oneNorm }],
  [
    "stablelm",
    {
      ...{ architecture: "StableLmForCausalLM", isGated: true, outside: oneLayerNorm },
      known: ["use_qkv_bias", "use_parallel_residual"],
      perLayer: (sizes, fields) =>
        (flag(fields, "use_parallel_residual") ? 2 : 4) * sizes.h +
        when(flag(fields, "use_qkv_bias"), ofQkv(sizes, fields)),
    },
  ],
  [
    "starcoder2",
    {
      ...{ architecture: "Starcoder2ForCausalLM", isGated: false, isTied: true, outside: oneLayerNorm },
      ...{ known: ["use_bias"], keyValueHeads: () => 2 },
      perLayer: (sizes, fields) => 4 * sizes.h + when(flag(fields, "use_bias", true), ofAll(sizes, fields)),
    },
  ],
  [
    "olmo",
    {
      ...{ architecture: "OlmoForCausalLM", isGated: true, outside: () => 0 },
      ...{ perLayer: gemmaBias, known: ["attention_bias"] },
    },
  ],
  [
    "olmo2",
    {
      ...{ architecture: "Olmo2ForCausalLM", isGated: true, outside: oneNorm, known: ["attention_bias"] },
      perLayer: (sizes, fields) => 2 * sizes.h + sizes.q + sizes.kv + gemmaBias(sizes, fields),
    },
  ],
  [
    "cohere",
    {
      ...{ architecture: "CohereForCausalLM", isGated: true, isTied: true, outside: oneNorm },
      known: ["attention_bias", "use_qk_norm"],
      perLayer: (sizes, fields) =>
        sizes.h + gemmaBias(sizes, fields) + when(flag(fields, "use_qk_norm"), sizes.q + sizes.kv),
    },
  ],
  [
    "glm4",
    {
      ...{ architecture: "Glm4ForCausalLM", isGated: true, outside: oneNorm, headSize: 128 },
      ...{ known: ["attention_bias"], keyValueHeads: () => 2 },
      perLayer: (sizes, fields) =>
        4 * sizes.h + when(flag(fields, "attention_bias", true), ofQkv(sizes, fields)),
    },
  ],
  [
    "deepseek_v2",
    {
      ...{ architecture: "DeepseekV2ForCausalLM", isGated: true, perLayer: deepseekLayer, outside: oneNorm },
      ...{ experts: "deepseek", known: DEEPSEEK_KEYS },
    },
  ],
  [
    "deepseek_v3",
    {
      ...{ architecture: "DeepseekV3ForCausalLM", isGated: true, perLayer: deepseekLayer, outside: oneNorm },
      ...{ experts: "deepseek", known: DEEPSEEK_KEYS },
    },
  ],
]);
