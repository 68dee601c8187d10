import { describe, expect, it, test } from "vitest";
import { configFailure } from "../../../test/trainer/config-failure.ts";
import { parseConfig } from "./config.ts";

describe("what --set says is blamed on --set, and the file only for what it says", () => {
  it.each([
    [
      "training: {steps: 10}",
      ["training.steps=0"],
      "--set training.steps=0: must be a whole number from 1; got 0",
    ],
    [
      "",
      ["training={steps: 0, seed: 1}"],
      "--set training={steps: 0, seed: 1}: training.steps: must be a whole number from 1; got 0",
    ],
    [
      "",
      ["model.hidenSize=3"],
      "--set model.hidenSize=3: there is no such key (its value is 3); did you mean hiddenSize?",
    ],
    ["", ["optimizer.betas.1=0.5"], "--set optimizer.betas.1=0.5: optimizer.betas: must be two numbers"],
    ["pipeline: {ranks: 4}", ["pipeline.schedule=dualpip"], "did you mean dualpipe?"],
    ["a: 1", ["pipeline=5"], "--set pipeline=5: must be a section of keys; got 5"],
    ["", ["data.source=''"], "--set data.source='': must be"],
  ])("%j with %j", (text, overrides, message) => {
    expect(configFailure(text, overrides).problem.split("\n").join(" | ")).toContain(message);
  });

  it("names the override of the keys that do not go together, wherever the other one stands", () => {
    const file = "learningRateSchedule:\n  warmupSteps: 40\npipeline:\n  ranks: 4\n  microBatches: 8";
    expect(configFailure(file, ["training.steps=10"]).problem).toBe(
      "--set training.steps=10: learningRateSchedule.warmupSteps: must be below training.steps; got 40 with 10 steps; use 1",
    );
    expect(configFailure(file, ["pipeline.ranks=8"]).problem).toBe(
      "--set pipeline.ranks=8: pipeline: DualPipe: micro-batches must be even and at least 2 x ranks; got 8 with 8 ranks; use 16",
    );
    expect(configFailure(`${file}\ntraining: {steps: 10}`).problem).toContain(
      "c.yaml:2: learningRateSchedule.warmupSteps",
    );
    expect(configFailure("model: {numHeads: 3, hiddenSize: 128}", ["training.seed=1"]).problem).toContain(
      "c.yaml:1: ",
    );
  });

  it("has a code of its own when only overrides are wrong", () => {
    expect(configFailure("", ["training.steps=0"]).code).toBe("CONFIG_BAD_OVERRIDE");
    expect(configFailure("training: {seed: x}", ["training.steps=0"]).code).toBe("CONFIG_INVALID");
  });

  it("blames the last of several overrides of a key", () => {
    expect(configFailure("", ["training.steps=-1", "training.steps=0"]).problem).toMatch(
      /^--set training.steps=0: /,
    );
  });
});

it.each([
  ["model.kind.x=3", '--set model.kind.x=3: model.kind has no keys; it is "gpt"'],
  ["optimizer.betas.5=1", "5 must be a position in the list optimizer.betas, from 0 to 2"],
  ["training.steps", "must be KEY=VALUE"],
  ["training.steps={", "the value must be YAML"],
])("the override %j is refused in words", (override, message) => {
  const error = configFailure("model: {kind: gpt}\noptimizer: {betas: [0.9, 0.95]}", [override]);
  expect(error).toMatchObject({ code: "CONFIG_BAD_OVERRIDE", problem: expect.stringContaining(message) });
});

describe("YAML against repetition", () => {
  const text = `x-sizes: &sizes
  steps: 7
  seed: 3
x-notes: anything
training:
  <<: *sizes
  seed: 4
  x-why: for the paper
validation:
  everySteps: 5
`;

  test("merge keys and x- keys are read", () => {
    expect(parseConfig(text).training).toMatchObject({ steps: 7, seed: 4 });
    expect(
      parseConfig("x-a: &a {steps: 2}\nx-b: &b {seed: 9}\ntraining: {<<: [*a, *b]}").training,
    ).toMatchObject({
      steps: 2,
      seed: 9,
    });
  });

  test("--set goes into a section that is an alias, and into no other place", () => {
    const shared = "x-base: &base {everySteps: 5}\nvalidation: *base\ncheckpoint: *base";
    const { validation, checkpoint } = parseConfig(shared, ["validation.everySteps=7"]);
    expect([validation.everySteps, checkpoint.everySteps]).toEqual([7, 5]);
  });

  test("a wrong value is blamed on the line where it stands", () => {
    expect(configFailure(text.replace("steps: 7", "steps: 0")).problem).toMatch(
      /^c.yaml:2: training.steps: must be/,
    );
    expect(configFailure(text.replace("seed: 4", "seed: x")).problem).toMatch(
      /^c.yaml:7: training.seed: must be/,
    );
  });

  test("an alias inside of what it stands for is an error in words", () => {
    expect(configFailure("model: &m\n  a: *m")).toMatchObject({
      code: "CONFIG_BAD_YAML",
      problem: "c.yaml: an alias must not be inside of what it stands for",
    });
  });
});
