// A run of the trainer on cards: it learns, records the times of the cards, and goes on from a checkpoint.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { train } from "../../src/trainer/train.ts";
import { metricsIn, orderedWordsConfig } from "../trainer/ordered-words.ts";

const folder = mkdtempSync(join(tmpdir(), "dualpipe-gpu-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const configOf = (dir: string, overrides: readonly string[]) =>
  orderedWordsConfig(folder, dir, ["training.steps=60", "training.device=cuda", ...overrides]);
const metricsOf = (dir: string) => metricsIn(folder, dir);

test.each(["float32", "bfloat16"])("a run in %s learns the text", async (dtype) => {
  const config = configOf(dtype, [`training.dtype=${dtype}`]);
  const { validationLoss, unigramLoss, bubble, sample } = await train({ config });
  expect(validationLoss).toBeLessThan(0.7 * unigramLoss);
  expect(sample).toMatch(/^one two/);
  expect(bubble).toBeDefined();
});

test("a run goes on from a checkpoint where it stopped", async () => {
  await train({ config: configOf("parts", ["checkpoint.everySteps=20", "training.steps=40"]) });
  const before = metricsOf("parts").filter(({ kind }) => kind === "train");
  const { validationLoss } = await train({
    config: configOf("parts", ["checkpoint.everySteps=20"]),
    resume: true,
  });
  const all = metricsOf("parts").filter(({ kind }) => kind === "train");
  expect(all.slice(0, before.length)).toEqual(before);
  expect(all.map(({ step }) => step)).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
  expect(validationLoss).toBeLessThan(0.5 * before[0]!.loss);
});
