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

function fail(rule: string, given: unknown): never {
  throw new ScheduleError(
    "INVALID_PLAN",
    `model: ${rule}; got ${JSON.stringify(given)?.slice(0, 60)}; give the config.json of a dense decoder-only transformer`,
  );
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
 * Reads the shape from a Hugging Face `config.json` (GPT-2's and LLaMA's names).
 * @throws ScheduleError `INVALID_PLAN` with the key that is missing or wrong
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
  if (fields.n_routed_experts !== undefined || fields.num_local_experts !== undefined) {
    fail("mixtures of experts cannot be planned", fields.n_routed_experts ?? fields.num_local_experts);
  }
  const hiddenSize = count(fields, ["hidden_size", "n_embd"]);
  const numHeads = count(fields, ["num_attention_heads", "n_head"]);
  const activation = fields.hidden_act ?? fields.activation_function ?? "gelu";
  return {
    hiddenSize,
    numLayers: count(fields, ["num_hidden_layers", "n_layer"]),
    numHeads,
    numKeyValueHeads: count(fields, ["num_key_value_heads"], numHeads),
    headSize: count(fields, ["head_dim"], Math.max(1, Math.floor(hiddenSize / numHeads))),
    mlpSize: count(fields, ["intermediate_size", "n_inner"], 4 * hiddenSize),
    numMlpMatrices: GATED.includes(String(activation).toLowerCase()) ? 3 : 2,
    vocabularySize: count(fields, ["vocab_size"]),
    tiedEmbedding: fields.tie_word_embeddings === true || fields.model_type === "gpt2",
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
