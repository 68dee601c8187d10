// A run of the trainer on cards: it learns, records the times of the cards, and goes on from a checkpoint.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { parseConfig, type TrainConfig } from "../../src/trainer/config/config.ts";
import { train } from "../../src/trainer/train.ts";

const folder = mkdtempSync(join(tmpdir(), "dualpipe-gpu-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function configOf(dir: string, overrides: readonly string[]): TrainConfig {
  const words = ["one", "two", "three", "four", "five", "six", "seven", "eight"];
  const document = Array.from({ length: 150 }, (_, i) => words[i % words.length]).join(" ");
  const source = join(folder, "text.txt");
  writeFileSync(source, Array(40).fill(document).join("<|endoftext|>"));
  return parseConfig("", [
    `data={source: "${source}", vocabSize: 280, cacheDir: "${folder}", validationFraction: 0.2}`,
    "model={hiddenSize: 32, numLayers: 4, numHeads: 2}",
    "pipeline={schedule: dualpipe, ranks: 2, microBatches: 4}",
    "training={steps: 60, microBatchSize: 2, sequenceLength: 16, device: cuda}",
    "optimizer={kind: adamw, learningRate: 0.01}",
    "learningRateSchedule={kind: cosine, warmupSteps: 3, minLearningRate: 0.001}",
    "validation={everySteps: 30, numBatches: 1}",
    "sample={prompt: one two, numTokens: 12, temperature: 0, topK: 0}",
    `output={dir: "${join(folder, dir)}"}`,
    ...overrides,
  ]);
}

const lossesOf = (dir: string) =>
  readFileSync(join(folder, dir, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { kind: string; step: number; loss: number });

test.each(["float32", "bfloat16"])("a run in %s learns the text", async (dtype) => {
  const config = configOf(dtype, [`training.dtype=${dtype}`]);
  const { validationLoss, unigramLoss, bubble, sample } = await train({ config });
  expect(validationLoss).toBeLessThan(0.7 * unigramLoss);
  expect(sample).toMatch(/^one two/);
  expect(bubble).toBeDefined();
});

test("a run goes on from a checkpoint where it stopped", async () => {
  await train({ config: configOf("parts", ["checkpoint.everySteps=20", "training.steps=40"]) });
  const before = lossesOf("parts").filter(({ kind }) => kind === "train");
  const { validationLoss } = await train({
    config: configOf("parts", ["checkpoint.everySteps=20"]),
    resume: true,
  });
  const all = lossesOf("parts").filter(({ kind }) => kind === "train");
  expect(all.slice(0, before.length)).toEqual(before);
  expect(all.map(({ step }) => step)).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
  expect(validationLoss).toBeLessThan(0.5 * before[0]!.loss);
});
