/*
 * The sizes of a model, from its Hugging Face config.json.
 *
 * There are hundreds of kinds of models, with keys of their own. A reader that takes the sizes it knows and ignores the
 * rest would plan another model than the file describes, with times that look right. So only the kinds in `DECODERS`
 * are read, and what else changes the time or the memory, such as experts, is refused by its name.
 */
import { shown } from "../../errors/shown.ts";
import { ScheduleError } from "../program/schedule-error.ts";

/** The sizes of a decoder-only transformer that determine its time and memory. */
export interface ModelShape {
  readonly hiddenSize: number;
  readonly numLayers: number;
  readonly numHeads: number;
  /** Key and value heads; fewer than `numHeads` with grouped-query attention. */
  readonly numKeyValueHeads: number;
  readonly headSize: number;
  readonly mlpSize: number;
  /** Matrices of an MLP: 2, or 3 where it is gated. */
  readonly numMlpMatrices: number;
  readonly vocabularySize: number;
  readonly tiedEmbedding: boolean;
}

type Fields = Readonly<Record<string, unknown>>;

const GATED = ["silu", "swiglu", "geglu"];

/** What a kind of model does not write into its config.json. */
interface Decoder {
  readonly architecture: string;
  /** Whether its MLPs are gated; by its activation unless given. */
  readonly isGated?: boolean;
  readonly tiesEmbedding?: true;
}

/** The kinds of models whose layers have the shape that `layerParameters` counts. */
const DECODERS: ReadonlyMap<string, Decoder> = new Map<string, Decoder>([
  ["gpt2", { architecture: "GPT2LMHeadModel", isGated: false, tiesEmbedding: true }],
  ["llama", { architecture: "LlamaForCausalLM", isGated: true }],
  ["mistral", { architecture: "MistralForCausalLM", isGated: true }],
  ["qwen2", { architecture: "Qwen2ForCausalLM", isGated: true }],
  ["qwen3", { architecture: "Qwen3ForCausalLM", isGated: true }],
  ["gemma", { architecture: "GemmaForCausalLM", isGated: true, tiesEmbedding: true }],
]);

/** Keys that stand for a part that a dense decoder does not have, with what they stand for. */
const OTHER_PARTS: readonly (readonly [RegExp, string])[] = [
  [/expert|(^|_)moe(_|$)/i, "a mixture of experts"],
  [/^is_encoder_decoder$|^encoder_|^decoder_|cross_attention/, "an encoder with a decoder"],
  [/^(vision|audio|text|speech|thinker)_config$/, "a model of several modalities"],
  [/^(q|kv)_lora_rank$/, "latent attention"],
  [/^multi_query$|^new_decoder_architecture$/, "attention with a layout of its own"],
  [/^parallel_attn$|^use_parallel_residual$/, "attention next to the MLP"],
  [/^(state_size|ssm_|mamba_|conv_kernel|linear_|attn_layer_)/, "layers without attention"],
];

function fail(rule: string, given: unknown): never {
  throw new ScheduleError(
    "INVALID_PLAN",
    `model: ${rule}; got ${shown(given)}; give the config.json of a dense decoder-only transformer`,
  );
}

function refuse(what: string): never {
  throw new ScheduleError(
    "INVALID_PLAN",
    `model: ${what} cannot be planned; only dense decoder-only transformers can: ` +
      `${[...DECODERS.keys()].join(", ")}, or one without model_type and architectures that is built like them`,
  );
}

/** Whether a key's value says that the part is there; one expert is none. */
function isPresent(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  return value !== undefined && value !== null && value !== false && value !== 0 && value !== 1;
}

/** The kind of model that the config names, after a check that its layers can be planned. */
function decoderOf(fields: Fields): Decoder | undefined {
  const { model_type: type, architectures } = fields;
  for (const [key, value] of Object.entries(fields)) {
    const part = OTHER_PARTS.find(([pattern]) => pattern.test(key))?.[1];
    if (part !== undefined && isPresent(value)) {
      const name = type === undefined ? "" : ` of model_type ${shown(type)}`;
      refuse(`${part} (${key}: ${shown(value)})${name}`);
    }
  }
  const byType = typeof type === "string" ? DECODERS.get(type) : undefined;
  if (isPresent(type) && byType === undefined) refuse(`model_type ${shown(type)}`);
  const known = [...DECODERS.values()];
  const named = Array.isArray(architectures) ? architectures : [architectures].filter(isPresent);
  const found = named.map((name) => known.find(({ architecture }) => architecture === name));
  const unknown = found.findIndex((decoder) => decoder === undefined || decoder !== (byType ?? decoder));
  if (unknown >= 0) {
    const ofType = byType === undefined ? "" : ` of model_type ${shown(type)}`;
    refuse(`architecture ${shown(named[unknown])}${ofType}`);
  }
  const layers = Array.isArray(fields.layer_types) ? fields.layer_types : [];
  const other = layers.find((layer) => layer !== "full_attention" && layer !== "sliding_attention");
  if (other !== undefined) refuse(`a layer of type ${shown(other)} (layer_types)`);
  return byType ?? found[0];
}

function count(fields: Fields, names: readonly string[], fallback?: number): number {
  const name = names.find((candidate) => fields[candidate] !== undefined && fields[candidate] !== null);
  const value = name === undefined ? fallback : fields[name];
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 1 || value > 1e9) {
    fail(`${names.join(" or ")} must be a whole number of at least 1`, value);
  }
  return value;
}

/**
 * Reads the shape from a Hugging Face `config.json` of a kind in `DECODERS`, or with their keys and without a kind.
 * @throws ScheduleError `INVALID_PLAN` with the key that is missing or wrong, or the name of what cannot be planned
 */
export function parseModelConfig(text: string): ModelShape {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    fail("the file must be JSON", text.slice(0, 40));
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed))
    fail("the file must be an object", parsed);
  const fields = parsed as Fields;
  const decoder = decoderOf(fields);
  const hiddenSize = count(fields, ["hidden_size", "n_embd"]);
  const numHeads = count(fields, ["num_attention_heads", "n_head"]);
  const activation = fields.hidden_act ?? fields.activation_function ?? "gelu";
  const isGated = decoder?.isGated ?? GATED.includes(String(activation).toLowerCase());
  const tied = fields.tie_word_embeddings ?? decoder?.tiesEmbedding ?? false;
  return {
    hiddenSize,
    numLayers: count(fields, ["num_hidden_layers", "n_layer"]),
    numHeads,
    numKeyValueHeads: count(fields, ["num_key_value_heads"], numHeads),
    headSize: count(fields, ["head_dim"], Math.max(1, Math.floor(hiddenSize / numHeads))),
    mlpSize: count(fields, ["intermediate_size", "n_inner"], 4 * hiddenSize),
    numMlpMatrices: isGated ? 3 : 2,
    vocabularySize: count(fields, ["vocab_size"]),
    tiedEmbedding: tied === true,
  };
}

/** Parameters of one decoder layer without norms and biases, which are less than a thousandth. */
export function layerParameters(model: ModelShape): number {
  const { hiddenSize, numHeads, numKeyValueHeads, headSize, mlpSize, numMlpMatrices } = model;
  const attention = hiddenSize * headSize * (2 * numHeads + 2 * numKeyValueHeads);
  return attention + numMlpMatrices * hiddenSize * mlpSize;
}

/** Parameters of the embedding; an untied head has as many. */
export function embeddingParameters({ hiddenSize, vocabularySize }: ModelShape): number {
  return hiddenSize * vocabularySize;
}
