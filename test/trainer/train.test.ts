import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readSafetensors } from "../../src/files/safetensors.ts";
import { parseProfile } from "../../src/schedule/index.ts";
import { type TrainSummary, train } from "../../src/trainer/train.ts";
import { metricsIn, orderedWordsConfig } from "./ordered-words.ts";

const folder = mkdtempSync(join(tmpdir(), "dualpipe-train-"));
const lines: string[] = [];
const output = { isTTY: false, write: (text: string) => lines.push(text) > 0 };

const configOf = (dir: string, overrides: readonly string[] = []) =>
  orderedWordsConfig(folder, dir, overrides);
const metricsOf = (dir: string) => metricsIn(folder, dir);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("a training run", () => {
  let summary: TrainSummary;
  beforeAll(async () => {
    summary = await train({ config: configOf("run"), output, profilePath: join(folder, "profile.json") });
  });

  test("learns the text: its loss ends clearly under that of a unigram model", () => {
    expect(summary.validationLoss).toBeLessThan(0.5 * summary.unigramLoss);
    expect(summary.sample).toMatch(/^one two/);
  });

  test("writes a line of metrics for each step and each validation", () => {
    const metrics = metricsOf("run");
    expect(metrics.filter(({ kind }) => kind === "train").map(({ step }) => step)).toEqual(
      Array.from({ length: 90 }, (_, i) => i + 1),
    );
    const validations = metrics.filter(({ kind }) => kind === "validation");
    expect(validations.map(({ step }) => step)).toEqual([30, 60, 90]);
    expect(validations.at(-1)!.loss).toBe(summary.validationLoss);
  });

  test("shows its progress and the validation losses", () => {
    expect(lines.join("")).toMatch(/step +90\/90 .*loss .*tokens\/s/);
    expect(lines.join("")).toContain("step 30: validation loss");
  });

  test("writes the resolved config, the weights of the whole model once, and a trace with every rank", async () => {
    expect(readFileSync(summary.files.config!, "utf8")).toContain("hiddenSize: 32");
    const { tensors } = await readSafetensors(summary.files.weights!);
    const names = tensors.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toContain("transformer.wte.weight");
    for (const layer of [0, 1, 2, 3]) expect(names).toContain(`transformer.h.${layer}.attn.c_attn.weight`);
    const trace = JSON.parse(readFileSync(summary.files.trace!, "utf8")) as {
      traceEvents: { ph: string; tid: number }[];
    };
    expect(new Set(trace.traceEvents.filter(({ ph }) => ph === "X").map(({ tid }) => tid))).toEqual(
      new Set([0, 1]),
    );
  });

  test("measures a bubble, and writes a profile that the planner reads", () => {
    expect(summary.bubble!.measuredRatio).toBeGreaterThan(0);
    expect(summary.bubble!.measuredRatio).toBeLessThan(1);
    // Two ranks of DualPipe have no bubble but that of uneven costs.
    expect(summary.bubble!.plannedRatio).toBeLessThan(summary.bubble!.measuredRatio + 0.2);
    expect(parseProfile(readFileSync(join(folder, "profile.json"), "utf8"))).toMatchObject({
      numRanks: 2,
      numMicroBatches: 4,
    });
  });

  test("is the same run again, number for number", async () => {
    await train({ config: configOf("again", ["training.steps=10"]), output });
    await train({ config: configOf("again2", ["training.steps=10"]), output });
    expect(metricsOf("again").map(({ loss }) => loss)).toEqual(metricsOf("again2").map(({ loss }) => loss));
  });
});

test("the first loss is the same, bit for bit, under every schedule", async () => {
  const losses: number[] = [];
  for (const schedule of ["dualpipe", "dualpipev", "1f1b", "zbv"]) {
    const overrides = [
      `pipeline.schedule=${schedule}`,
      "training.steps=1",
      "learningRateSchedule.warmupSteps=0",
      "model.tieEmbeddings=false",
    ];
    await train({ config: configOf(schedule, overrides), output });
    losses.push(metricsOf(schedule)[0]!.loss);
  }
  // The sum over ranks goes in the order of the ranks, which differs between schedules: the last bits may, too.
  for (const loss of losses) expect(loss).toBeCloseTo(losses[0]!, 12);
});

test("a loss that is not finite ends the run before the weights are lost, with the step and the remedy", async () => {
  const overrides = [
    "optimizer={kind: sgd, learningRate: 1e30, gradientClip: 0}",
    "learningRateSchedule={kind: constant, warmupSteps: 0}",
  ];
  await expect(train({ config: configOf("nan", overrides), output })).rejects.toMatchObject({
    code: "NON_FINITE_LOSS",
    message: expect.stringMatching(/the loss of step \d+ is .*lower optimizer.learningRate/),
  });
});

test("an abort ends the run", async () => {
  const controller = new AbortController();
  const stopAtStep = { isTTY: false, write: () => controller.abort() };
  const run = train({
    config: configOf("abort", ["training.steps=100000"]),
    output: stopAtStep,
    signal: controller.signal,
  });
  await expect(run).rejects.toMatchObject({ code: "INTERRUPTED" });
});
