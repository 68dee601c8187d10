// A run of the trainer on cards: it learns, records the times of the cards, and goes on from a checkpoint.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { Runtime } from "../../src/tensor/runtime.ts";
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

test.each(["float32", "bfloat16"])(
  "a run in %s whose steps are graphs has the losses of one without",
  async (dtype) => {
    const run = async (dir: string, graphs: boolean) => {
      const overrides = [`training.dtype=${dtype}`, `training.graphs=${graphs}`, "model.dropout=0.1"];
      await train({ config: configOf(`${dtype} ${dir}`, overrides) });
      return metricsOf(`${dtype} ${dir}`).filter(({ kind }) => kind === "train");
    };
    const [without, as] = [await run("without", false), await run("as graphs", true)];
    expect(as.map(({ loss }) => loss)).toEqual(without.map(({ loss }) => loss));
    expect(without.every(({ bubble }) => bubble !== undefined)).toBe(true);
    // The first two and the last three steps are recorded, so they run without a graph.
    expect(as.filter(({ bubble }) => bubble !== undefined).map(({ step }) => step)).toEqual([
      1, 2, 58, 59, 60,
    ]);
  },
);

test("a run reports the copies between cards", async () => {
  await train({ config: configOf("copies", ["training.steps=5"]) });
  const { numDevices } = Runtime.load({ device: "cuda" }).device;
  for (const { kind, communicationMs, exposedCommunicationMs } of metricsOf("copies")) {
    if (kind !== "train") continue;
    if (numDevices === 1) expect(communicationMs).toBe(0);
    else expect(communicationMs).toBeGreaterThan(0);
    expect(exposedCommunicationMs).toBeLessThanOrEqual(communicationMs as number);
  }
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
