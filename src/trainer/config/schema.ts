/**
 * Every key of a training configuration: what it accepts, and its default.
 *
 * A key is declared once, here. The type of a config, the check of a file, of a `--set` option and of a resumed run,
 * the suggestion for a misspelled key and the written-out `config.yaml` all follow from this declaration, so none of
 * them can miss a key. Every key has a default, so an empty file is a run; a section that is left out and one that is
 * empty mean the same.
 *
 * Sections that come in kinds (a model, an optimizer, a learning-rate schedule) are unions by `kind`, and a key that
 * only another kind has is an error. Ignoring it would train something else than the file says.
 *
 * A schema looks at one value at a time. What depends on two keys, such as an even number of micro-batches, is in
 * rules.ts, which runs after this has passed; a default that depends on other keys is in fitting-defaults.ts, which
 * runs before.
 */
import type { z } from "zod";
import {
  declare,
  flag,
  fraction,
  keys,
  kindError,
  nonNegative,
  oneOf,
  positive,
  seconds,
  text,
  whole,
  zod,
} from "../../models/config-values.ts";
import { DEFAULT_KIND, modelSchema } from "../../models/families.ts";
import { schedules } from "../../schedule/schedules/registry.ts";
import { VOCAB_SIZE_MAX, VOCAB_SIZE_MIN } from "../data/vocabulary.ts";

const schedule = () => {
  const names = schedules.map(({ name }) => name);
  const error = `one of ${names.join(", ")}, or the path of a .csv file`;
  // A path has become its file's text by now.
  return zod().union([oneOf(...names), keys({ file: text("the path of a file"), csv: text("a program") })], {
    error,
  });
};

const pipeline = () =>
  keys({
    schedule: schedule().default("dualpipe"),
    ranks: whole(1).default(4),
    replicas: whole(1).default(1),
    microBatches: whole(1).default(8),
  });

const data = () =>
  keys({
    source: text('"sotu" or the path of a UTF-8 text file').default("sotu"),
    vocabSize: whole(VOCAB_SIZE_MIN, VOCAB_SIZE_MAX).default(2048),
    validationFraction: fraction().default(0.05),
    cacheDir: text("the path of a folder").default(".cache"),
  });

/** Gradients in float16 are lost below 6e-8, unless losses are scaled. */
const trainingDtype = () => {
  const names = ["float32", "float64", "bfloat16"] as const;
  const list = names.join(", ");
  return zod().enum(names, {
    error: ({ input }) =>
      input === "float16"
        ? `one of ${list} (float16 needs a loss scale, which there is not; bfloat16 has the range of float32)`
        : `one of ${list}`,
  });
};

const training = () =>
  keys({
    steps: whole(1).default(300),
    microBatchSize: whole(1).default(4),
    sequenceLength: whole(1).default(128),
    seed: whole(0).default(1),
    dtype: trainingDtype().default("float32"),
    device: oneOf("auto", "cpu", "cuda").default("auto"),
    tf32: flag().default(false),
    graphs: flag().default(false),
  });

const optimizerShared = () => ({
  learningRate: positive().default(1e-3),
  weightDecay: nonNegative().default(0),
  gradientClip: nonNegative().default(1),
  masterWeights: flag().default(true),
});

const betas = (first: number, second: number) =>
  zod().tuple([fraction(), fraction()], { error: "two numbers, e.g. [0.9, 0.95]" }).default([first, second]);

const optimizer = () =>
  zod().discriminatedUnion(
    "kind",
    [
      keys({
        kind: zod().literal("adamw"),
        ...optimizerShared(),
        betas: betas(0.9, 0.95),
        eps: positive().default(1e-8),
        weightDecay: nonNegative().default(0.1),
      }),
      keys({
        kind: zod().literal("adam"),
        ...optimizerShared(),
        betas: betas(0.9, 0.95),
        eps: positive().default(1e-8),
      }),
      keys({
        kind: zod().literal("lion"),
        ...optimizerShared(),
        betas: betas(0.9, 0.99),
        weightDecay: nonNegative().default(0.1),
      }),
      keys({
        kind: zod().literal("rmsprop"),
        ...optimizerShared(),
        alpha: fraction().default(0.99),
        eps: positive().default(1e-8),
        momentum: fraction().default(0),
      }),
      keys({
        kind: zod().literal("adagrad"),
        ...optimizerShared(),
        eps: positive().default(1e-10),
      }),
      keys({
        kind: zod().literal("sgd"),
        ...optimizerShared(),
        momentum: fraction().default(0),
      }),
    ],
    { error: kindError(["adamw", "adam", "lion", "rmsprop", "adagrad", "sgd"]) },
  );

const warmupSteps = () => whole(0).default(0);
const minLearningRate = () => nonNegative().default(0);

const learningRateSchedule = () =>
  zod().discriminatedUnion(
    "kind",
    [
      keys({ kind: zod().literal("cosine"), warmupSteps: warmupSteps(), minLearningRate: minLearningRate() }),
      keys({ kind: zod().literal("linear"), warmupSteps: warmupSteps(), minLearningRate: minLearningRate() }),
      keys({ kind: zod().literal("constant"), warmupSteps: warmupSteps() }),
    ],
    { error: kindError(["cosine", "linear", "constant"]) },
  );

const validation = () =>
  keys({
    everySteps: whole(0).default(50),
    numBatches: whole(1).default(2),
  });

const checkpoint = () =>
  keys({
    everySteps: whole(0).default(0),
    keep: whole(1).default(2),
  });

const timeouts = () =>
  keys({
    meetSeconds: seconds().default(300),
    silenceSeconds: seconds().default(30),
    receiveSeconds: seconds().default(600),
  });

const sample = () =>
  keys({
    prompt: text("a text of at least one character").default("The American people"),
    numTokens: whole(0).default(100),
    temperature: nonNegative().default(0.8),
    topK: whole(0).default(50),
  });

const output = () =>
  keys({
    dir: text("the path of a folder").default("runs/gpt"),
    traceLastStep: flag().default(true),
    saveWeights: flag().default(true),
  });

const sections = declare(() => ({
  model: modelSchema(),
  pipeline: pipeline(),
  data: data(),
  training: training(),
  optimizer: optimizer(),
  learningRateSchedule: learningRateSchedule(),
  validation: validation(),
  checkpoint: checkpoint(),
  timeouts: timeouts(),
  sample: sample(),
  output: output(),
}));

type Sections = ReturnType<typeof sections>;

const defaultKinds: Partial<Record<string, string>> = {
  model: DEFAULT_KIND,
  optimizer: "adamw",
  learningRateSchedule: "cosine",
};

/**
 * A section with defaults for everything: for a section that is left out, for one without keys, and for a missing kind.
 */
function section<K extends keyof Sections>(name: K): z.ZodPreprocess<Sections[K]> {
  return zod().preprocess((value) => withDefaultKind(name, value ?? {}), sections()[name]);
}

function withDefaultKind(name: string, value: unknown): unknown {
  const kind = defaultKinds[name];
  const isSection = typeof value === "object" && value !== null && !Array.isArray(value);
  return kind !== undefined && isSection && !("kind" in value) ? { kind, ...value } : value;
}

/** Every key of a training configuration, with what it accepts and its default. */
export const configSchema = declare(() =>
  zod().strictObject(
    {
      model: section("model"),
      pipeline: section("pipeline"),
      data: section("data"),
      training: section("training"),
      optimizer: section("optimizer"),
      learningRateSchedule: section("learningRateSchedule"),
      validation: section("validation"),
      checkpoint: section("checkpoint"),
      timeouts: section("timeouts"),
      sample: section("sample"),
      output: section("output"),
    },
    { error: "sections of keys, as in `model:`" },
  ),
);

export type TrainConfig = z.infer<ReturnType<typeof configSchema>>;

/** The keys that a section may have; for a section that has kinds, those of the kind in `given`. */
export function knownKeys(name: string, given: unknown): readonly string[] {
  const schema: z.ZodType | undefined = Object.entries(sections()).find(([key]) => key === name)?.[1];
  const { kind } = withDefaultKind(name, given) as { kind?: unknown };
  const options = schema instanceof zod().ZodDiscriminatedUnion ? schema.options : [schema];
  for (const option of options) {
    if (!(option instanceof zod().ZodObject)) continue;
    const { shape } = option;
    if (options.length === 1 || (shape.kind as z.ZodLiteral).value === kind) return Object.keys(shape);
  }
  return [];
}

export const sectionNames = (): readonly string[] => Object.keys(sections());
