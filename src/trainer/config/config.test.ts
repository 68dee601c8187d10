import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { configFailure } from "../../../test/trainer/config-failure.ts";
import { formatConfig, loadConfig, parseConfig } from "./config.ts";
import { knownKeys, sectionNames } from "./schema.ts";

const EXAMPLE = fileURLToPath(new URL("../../../examples/gpt/config.yaml", import.meta.url));

describe("parseConfig", () => {
  it.each(["", "model:", "{}", "model: {}\noptimizer:\n", "optimizer: {weightDecay: 0.1}"])(
    "fills %j with the same defaults",
    (text) => {
      expect(parseConfig(text)).toEqual(parseConfig(""));
    },
  );

  it("reads back what formatConfig wrote", () => {
    const config = parseConfig("sample: {prompt: 'yes: #1\\n'}\noptimizer: {kind: sgd, momentum: 0.9}");
    expect(parseConfig(formatConfig(config))).toEqual(config);
  });

  it("sets dotted keys, whole sections and items of lists, the last winning", () => {
    const config = parseConfig("optimizer: {betas: [0.9, 0.95]}\npipeline:\n", [
      "model.hiddenSize=256",
      "pipeline.ranks=2",
      "model.hiddenSize=512",
      "optimizer.betas.1=0.99",
      "sample={prompt: We = all, topK: 0}",
      "data.source=my file.txt",
    ]);
    expect(config.model.hiddenSize).toBe(512);
    expect(config.pipeline.ranks).toBe(2);
    expect(config.optimizer).toMatchObject({ betas: [0.9, 0.99] });
    expect(config.sample).toMatchObject({ prompt: "We = all", topK: 0, temperature: 0.8 });
    expect(config.data.source).toBe("my file.txt");
  });

  it("reports all that is wrong, each at its line", () => {
    const error = configFailure("model:\n  hidenSize: 3\n  numHeads: x\ntraining:\n  dtype: float16", [
      "data=5",
    ]);
    expect(error.code).toBe("CONFIG_INVALID");
    expect(error.problem.split("\n").sort()).toEqual([
      "--set data=5: must be a section of keys; got 5",
      "c.yaml:2: model.hidenSize: there is no such key (its value is 3); did you mean hiddenSize?; model has kind, hiddenSize, numLayers, numHeads, mlpRatio, tieEmbeddings, dropout",
      'c.yaml:3: model.numHeads: must be a whole number from 1; got "x"',
      'c.yaml:5: training.dtype: must be one of float32, float64, bfloat16 (float16 needs a loss scale, which there is not; bfloat16 has the range of float32); got "float16"',
    ]);
    expect(error.issues.map(({ path }) => path).sort()).toEqual([
      "data",
      "model.hidenSize",
      "model.numHeads",
      "training.dtype",
    ]);
  });

  it.each([
    ["foo: 1", "foo: there is no such key (its value is 1); the configuration has model, pipeline"],
    ["optimiser: {}", "did you mean optimizer?"],
    ["training: {micro_batch_size: 4}", "did you mean microBatchSize?"],
    ["model: {learningRate: 1}", "did you mean optimizer.learningRate?"],
    ["optimizer: {kind: sgd, betas: [0.9, 0.95]}", "optimizer of kind sgd has kind, learningRate"],
    [
      "optimizer: {kind: adams}",
      'optimizer.kind: must be one of adamw, adam, lion, rmsprop, adagrad, sgd; got "adams"; did you mean adamw?',
    ],
    ["optimizer: [1]", "optimizer: must be a section of keys; got [1]"],
    ["optimizer: {betas: [0.9]}", "optimizer.betas: must be two numbers, e.g. [0.9, 0.95]; got [0.9]"],
    ["optimizer: {betas: [0.9, 1]}", "optimizer.betas.1: must be a number from 0 to under 1; got 1"],
    ["training: {steps: .inf}", "training.steps: must be a whole number from 1; got Infinity"],
    ["training: {steps: .nan}", "training.steps: must be a whole number from 1; got NaN"],
    ["data: {vocabSize: 256}", "data.vocabSize: must be a whole number from 257 to 50257; got 256"],
    ["data: {validationFraction: 0}", "must be a number over 0 and under 1; got 0"],
    [
      "timeouts: {meetSeconds: 3000000}",
      "meetSeconds: must be a number over 0, at most 2000000 (23 days); got 3000000",
    ],
    ["timeouts: {silenceSeconds: .inf}", "silenceSeconds: must be a number over 0, at most 2000000"],
    ["timeouts: {receiveSeconds: 2147484}", "receiveSeconds: must be a number over 0, at most 2000000"],
    ["output: {traceLastStep: 1}", "output.traceLastStep: must be true or false; got 1"],
    ["model: {hiddenSize: }", "model.hiddenSize: must be a whole number from 1; got null"],
    ["__proto__: {a: 1}", '__proto__: there is no such key (its value is {"a":1})'],
    ["model: {constructor: 1}", "model.constructor: there is no such key"],
    ["[1]", "must be sections of keys"],
  ])("refuses %j", (text, message) => {
    expect(configFailure(text)).toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringContaining(message),
    });
  });

  it.each([
    [
      "model: {hiddenSize: 130}",
      "model.hiddenSize: must be divisible by model.numHeads; got 130 with 4 heads; use 128 or 132",
    ],
    ["model: {hiddenSize: 2}", "use 4"],
    ["pipeline: {ranks: 3}", "DualPipe: ranks must be even and at least 2; got 3; use 4"],
    [
      "pipeline: {microBatches: 9}",
      "micro-batches must be even and at least 2 x ranks; got 9 with 4 ranks; use 10",
    ],
    ["pipeline: {schedule: dualpipev, microBatches: 7}", "at least 2 x ranks; got 7 with 4 ranks; use 8"],
    ["model: {numLayers: 3}", "each of the 4 stages of dualpipe with 4 ranks; got 3; use 4"],
    [
      "model: {numLayers: 7}\npipeline: {schedule: dualpipev}",
      "each of the 8 stages of dualpipev with 4 ranks; got 7; use 8",
    ],
    ["learningRateSchedule: {warmupSteps: 300}", "below training.steps; got 300 with 300 steps; use 30"],
    ["learningRateSchedule: {minLearningRate: 1}", "at most optimizer.learningRate; got 1 with 0.001"],
    ["sample: {topK: 4096}", "at most data.vocabSize; got 4096 with 2048 tokens; use 0"],
  ])("refuses %j, whose values do not go together", (text, message) => {
    expect(configFailure(text)).toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringContaining(message),
    });
  });

  it("accepts the values at the edge of what goes together", () => {
    parseConfig("model: {numLayers: 4}\nlearningRateSchedule: {warmupSteps: 299}\nsample: {topK: 2048}");
    parseConfig("model: {numLayers: 6}\npipeline: {schedule: dualpipev, ranks: 3, microBatches: 7}");
  });

  it.each([
    ["an alias to itself", "model: &m\n  a: *m", "an alias must not be inside of what it stands for"],
    ["a text that is one", "&r\nmodel: [*r]", "an alias must not be inside of what it stands for"],
    ["too many brackets", `model: ${"[".repeat(20_000)}`, "values must not be nested that deeply"],
  ])("explains %s", (_what, text, problem) => {
    expect(configFailure(text)).toMatchObject({
      code: "CONFIG_BAD_YAML",
      message: expect.stringContaining(`c.yaml: ${problem}`),
    });
    const override = `model=${text.replace("model: ", "").replace("\n", "\n ")}`;
    expect(configFailure("", [override])).toMatchObject({
      code: "CONFIG_BAD_OVERRIDE",
      message: expect.stringContaining(`the value must be YAML: ${problem}`),
    });
  });

  it.each(["a: b: c", "model: {}\nmodel: {}", "a: *x", "a: 1\n---\nb: 1"])("refuses the YAML %j", (text) => {
    expect(configFailure(text)).toMatchObject({
      code: "CONFIG_BAD_YAML",
      message: expect.stringContaining("c.yaml: "),
    });
  });

  it.each(["x", "=3", "a..b=3", "model.kind.x=3", "model.hiddenSize={", "optimizer.betas.x=1"])(
    "refuses the override %j",
    (override) => {
      const error = configFailure("model: {kind: gpt}\noptimizer: {betas: [0.9, 0.95]}", [override]);
      expect(error.code).toBe("CONFIG_BAD_OVERRIDE");
      expect(error.message).toContain(`--set ${override}: `);
    },
  );

  it("names every unknown key with its path and value, and never fails otherwise", () => {
    fc.assert(
      fc.property(fc.constantFrom(...sectionNames()), fc.string(), fc.jsonValue(), (section, key, value) => {
        const text = JSON.stringify({ [section]: { [key]: value } });
        // Keys that begin with `x-` hold what is only there to be aliased.
        fc.pre(!knownKeys(section, {}).includes(key) && !key.startsWith("x-"));
        const error = configFailure(text);
        expect(error.code).toBe("CONFIG_INVALID");
        expect(error.issues).toHaveLength(1);
        expect(error.issues[0]!.path).toBe(`${section}.${key}`);
        expect(error.issues[0]!.problem).toContain("there is no such key");
      }),
      { numRuns: 300 },
    );
  });
});

describe("loadConfig", () => {
  it("accepts the example, which gives every key there is", async () => {
    const config = await loadConfig(EXAMPLE, ["training.steps=7", "learningRateSchedule.warmupSteps=1"]);
    expect(config.training.steps).toBe(7);
    const given = parse(readFileSync(EXAMPLE, "utf8")) as Record<string, object>;
    for (const name of sectionNames()) {
      expect(Object.keys(given[name]!).sort()).toEqual([...knownKeys(name, given[name])].sort());
    }
  });

  it("names the file in every error", async () => {
    const folder = mkdtempSync(join(tmpdir(), "config-"));
    try {
      const path = join(folder, "run.yaml");
      await expect(loadConfig(path)).rejects.toMatchObject({
        code: "CONFIG_UNREADABLE",
        message: expect.stringContaining(path),
      });
      writeFileSync(path, "model: {mlpRatio: 0}");
      await expect(loadConfig(path)).rejects.toThrow(
        `${path}:1: model.mlpRatio: must be a whole number from 1; got 0`,
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
