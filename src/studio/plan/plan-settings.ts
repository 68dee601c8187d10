/*
 * What the planner is asked, as the texts of its fields: they stand in the address, and a wrong one is explained by
 * the same check as a wrong address. The model is kept as its sizes, not as a file, so that a link has all of it.
 */
import { type ModelShape, type PlanRequest, ScheduleError } from "../../schedule/index.ts";
import type { NumberControl } from "../view/controls.ts";

const MODEL_KEYS = [
  ...(["hidden", "layers", "heads", "kvHeads", "headSize"] as const),
  ...(["mlp", "mlpMatrices", "vocabulary", "tied"] as const),
  ...(["experts", "chosen", "expertSize", "sharedSize", "denseLayers", "attention"] as const),
];
type ModelKey = (typeof MODEL_KEYS)[number];
type DeviceKey =
  | ("devices" | "batch" | "sequence" | "memory" | "tflops" | "efficiency" | "halfRows")
  | ("latency" | "bandwidth" | "allReduce" | "pairShare");

export type PlanKey = ModelKey | DeviceKey;

/** The fields that were changed, each as its text. */
export type PlanTexts = Readonly<Partial<Record<PlanKey, string>>>;

/** What the Plan page shows. */
export interface PlanView {
  readonly texts: PlanTexts;
  /** The key of the run whose timeline is shown; the fastest that fits unless given. */
  readonly pick?: string | undefined;
  /** The two schedules whose best runs are weighed against each other. */
  readonly between: readonly [string, string];
  /** How much slower than the fastest a run may be to be drawn, in percent. */
  readonly within: number;
}

export const DEFAULT_PLAN: PlanView = { texts: {}, between: ["dualpipe", "interleaved"], within: 50 };
export const WITHIN_MAX = 2000;

/** Sizes of a dense model, in the order of `MODEL_KEYS`, which go on with the sizes of experts. */
type Sizes = readonly [number, number, number, number, number, number, number, number, number];

const MODELS: readonly (readonly [name: string, sizes: Sizes])[] = [
  ["Llama 3 8B", [4096, 32, 32, 8, 128, 14336, 3, 128256, 0]],
  ["Llama 3 70B", [8192, 80, 64, 8, 128, 28672, 3, 128256, 0]],
  ["Mistral 7B", [4096, 32, 32, 8, 128, 14336, 3, 32000, 0]],
  ["GPT-2", [768, 12, 12, 12, 64, 3072, 2, 50257, 1]],
  ["GPT-2 XL", [1600, 48, 25, 25, 64, 6400, 2, 50257, 1]],
];

export const MODEL_NAMES: readonly string[] = MODELS.map(([name]) => name);

const DEFAULTS: Readonly<Record<PlanKey, number>> = {
  ...(Object.fromEntries(MODEL_KEYS.map((key, i) => [key, MODELS[0]![1][i] ?? 0])) as Record<
    ModelKey,
    number
  >),
  ...{ devices: 8, batch: 64, sequence: 4096, memory: 80, tflops: 989, efficiency: 0.5, halfRows: 150 },
  ...{ latency: 10, bandwidth: 50, allReduce: 50, pairShare: 1 },
};

function control(
  key: PlanKey,
  label: string,
  meaning: string,
  min: number,
  max: number,
  step: number,
): NumberControl<PlanKey> {
  return { key, label, meaning, min, max, step, empty: String(DEFAULTS[key]) };
}

export const DEVICE_CONTROLS: readonly NumberControl<PlanKey>[] = [
  control("devices", "Devices", "all that train the model", 1, 256, 1),
  control("batch", "Batch", "sequences of one step over all devices", 1, 1024, 1),
  control("sequence", "Sequence", "tokens of a sequence", 128, 32768, 128),
  control("memory", "Memory", "GB of a device", 1, 288, 1),
  control("tflops", "Peak", "10^12 operations per second of a device", 1, 2500, 1),
  control("efficiency", "Efficiency", "share of the peak that products reach", 0.05, 1, 0.05),
  control("halfRows", "Half rows", "tokens of a micro-batch with which they reach half of that", 0, 4000, 10),
  control("latency", "Link latency", "µs between neighbouring ranks", 0, 200, 1),
  control("bandwidth", "Link bandwidth", "GB/s between neighbouring ranks", 1, 900, 1),
  control("allReduce", "All-reduce", "GB/s between the holders of a parameter", 1, 900, 1),
  control("pairShare", "Pair share", "time of a pair as a share of its F + B", 0.3, 1, 0.01),
];

export const MODEL_CONTROLS: readonly NumberControl<PlanKey>[] = [
  control("layers", "Layers", "decoder layers", 1, 160, 1),
  control("hidden", "Hidden size", "values of a token between layers", 64, 16384, 64),
  control("heads", "Heads", "of attention", 1, 128, 1),
  control("kvHeads", "Key heads", "of keys and values; fewer when they are shared", 1, 128, 1),
  control("headSize", "Head size", "values of a head", 16, 256, 16),
  control("mlp", "MLP size", "values inside the MLP", 64, 65536, 64),
  control("mlpMatrices", "MLP matrices", "2, or 3 with a gate", 2, 3, 1),
  control("vocabulary", "Vocabulary", "tokens that the head tells apart", 256, 262144, 1),
  control("tied", "Tied", "1 where embedding and head are one matrix", 0, 1, 1),
  control("experts", "Experts", "of a layer; 0 for a dense model", 0, 1024, 1),
  control("chosen", "Chosen", "experts that a token uses", 0, 64, 1),
  control("expertSize", "Expert size", "values inside one expert", 0, 65536, 64),
  control("sharedSize", "Shared size", "values inside the MLP that every token passes as well", 0, 65536, 64),
  control("denseLayers", "Dense layers", "layers at the start without experts", 0, 160, 1),
  control("attention", "Attention", "weights of a layer's attention; 0 where the heads give them", 0, 1e9, 1),
];

const CONTROLS = [...MODEL_CONTROLS, ...DEVICE_CONTROLS];
const LABELS = new Map(CONTROLS.map(({ key, label }) => [key, label]));

/** All fields, in the order in which addresses have them. */
export const PLAN_KEYS: readonly PlanKey[] = CONTROLS.map(({ key }) => key);

/** The texts with another model. */
function withSizes(texts: PlanTexts, sizes: Readonly<Record<ModelKey, number>>): PlanTexts {
  const { ...changed } = texts as Record<PlanKey, string>;
  for (const key of MODEL_KEYS) {
    if (sizes[key] === DEFAULTS[key]) delete (changed as Partial<Record<PlanKey, string>>)[key];
    else changed[key] = String(sizes[key]);
  }
  return changed;
}

/** The texts with a model of `MODEL_NAMES`. */
export function withNamedModel(texts: PlanTexts, name: string): PlanTexts {
  const sizes = MODELS.find((model) => model[0] === name)?.[1];
  if (sizes === undefined) return texts;
  const entries = MODEL_KEYS.map((key, i) => [key, sizes[i] ?? 0]);
  return withSizes(texts, Object.fromEntries(entries) as Record<ModelKey, number>);
}

/** The texts with the model of a config.json. */
export function withModel(texts: PlanTexts, model: ModelShape): PlanTexts {
  return withSizes(texts, {
    hidden: model.hiddenSize,
    layers: model.numLayers,
    heads: model.numHeads,
    kvHeads: model.numKeyValueHeads,
    headSize: model.headSize,
    mlp: model.mlpSize,
    mlpMatrices: model.numMlpMatrices,
    vocabulary: model.vocabularySize,
    tied: Number(model.tiedEmbedding),
    ...{ experts: model.experts?.numExperts ?? 0, chosen: model.experts?.numChosen ?? 0 },
    ...{ expertSize: model.experts?.size ?? 0, sharedSize: model.experts?.sharedSize ?? 0 },
    ...{ denseLayers: model.experts?.numDenseLayers ?? 0, attention: model.attentionParameters ?? 0 },
  });
}

const numberOf = (texts: PlanTexts, key: PlanKey) =>
  texts[key] === undefined || texts[key] === "" ? DEFAULTS[key] : Number(texts[key]);

/** The name of the model, if it is one of `MODEL_NAMES`. */
export function modelName(texts: PlanTexts): string | undefined {
  return MODELS.find(([, sizes]) =>
    MODEL_KEYS.every((key, i) => numberOf(texts, key) === (sizes[i] ?? 0)),
  )?.[0];
}

/** The request that the texts stand for. @throws ScheduleError `INVALID_PLAN` with the field that is wrong */
export function requestOf(texts: PlanTexts): PlanRequest {
  const number = (key: PlanKey, isAllowed: (value: number) => boolean, rule: string) => {
    const value = numberOf(texts, key);
    if (!isAllowed(value)) fail(key, rule, texts[key]);
    return value;
  };
  const count = (key: PlanKey, least = 1) =>
    number(
      key,
      (value) => Number.isSafeInteger(value) && value >= least && value <= 1e9,
      `whole, from ${least} to 10^9`,
    );
  const positive = (key: PlanKey) => number(key, (value) => value > 0 && value < Infinity, "over 0");
  const share = (key: PlanKey) => number(key, (value) => value > 0 && value <= 1, "over 0 and at most 1");
  const numExperts = count("experts", 0);
  const attentionParameters = count("attention", 0);
  return {
    model: {
      ...{ hiddenSize: count("hidden"), numLayers: count("layers"), numHeads: count("heads") },
      ...{ numKeyValueHeads: count("kvHeads"), headSize: count("headSize"), mlpSize: count("mlp") },
      ...{ numMlpMatrices: count("mlpMatrices"), vocabularySize: count("vocabulary") },
      tiedEmbedding: count("tied", 0) === 1,
      ...(attentionParameters > 0 && { attentionParameters }),
      ...(numExperts > 0 && {
        experts: {
          ...{ numExperts, numChosen: count("chosen"), size: count("expertSize") },
          ...{ sharedSize: count("sharedSize", 0), numDenseLayers: count("denseLayers", 0) },
        },
      }),
    },
    sequenceLength: count("sequence"),
    globalBatch: count("batch"),
    numDevices: count("devices"),
    device: {
      peakFlops: positive("tflops") * 1e12,
      efficiency: share("efficiency"),
      halfRows: number("halfRows", (value) => value >= 0 && value < Infinity, "at least 0"),
      memoryBytes: positive("memory") * 1e9,
      link: {
        latency: number("latency", (value) => value >= 0 && value < Infinity, "at least 0") * 1e-6,
        bandwidth: positive("bandwidth") * 1e9,
      },
      allReduceBandwidth: positive("allReduce") * 1e9,
      pairShare: share("pairShare"),
    },
  };
}

function fail(key: PlanKey, rule: string, given: string | undefined): never {
  throw new ScheduleError(
    "INVALID_PLAN",
    `plan: ${LABELS.get(key)} must be a number, ${rule}; got ${JSON.stringify(given?.slice(0, 40))}; correct the field`,
  );
}
