// Words in a fixed order, a rule that a small model learns in a few steps, and a configuration to train on them.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseConfig, type TrainConfig } from "../../src/trainer/config/config.ts";
import type { StepMetrics } from "../../src/trainer/report/listener.ts";

/** @param folder Of the text, and of the output folder `dir`. */
export function orderedWordsConfig(
  folder: string,
  dir: string,
  overrides: readonly string[] = [],
): TrainConfig {
  const words = ["one", "two", "three", "four", "five", "six", "seven", "eight"];
  const document = Array.from({ length: 150 }, (_, i) => words[i % words.length]).join(" ");
  const source = join(folder, "text.txt");
  writeFileSync(source, Array(40).fill(document).join("<|endoftext|>"));
  return parseConfig("", [
    `data={source: "${source}", vocabSize: 280, cacheDir: "${folder}", validationFraction: 0.2}`,
    "model={hiddenSize: 32, numLayers: 4, numHeads: 2}",
    "pipeline={schedule: dualpipe, ranks: 2, microBatches: 4}",
    "training={steps: 90, microBatchSize: 2, sequenceLength: 16}",
    "optimizer={kind: adamw, learningRate: 0.01}",
    "learningRateSchedule={kind: cosine, warmupSteps: 3, minLearningRate: 0.001}",
    "validation={everySteps: 30, numBatches: 1}",
    "sample={prompt: one two, numTokens: 12, temperature: 0, topK: 0}",
    `output={dir: "${join(folder, dir)}"}`,
    ...overrides,
  ]);
}

/** The lines of a run's metrics. */
type Metrics = { kind: string } & Pick<StepMetrics, "step" | "loss"> & Partial<StepMetrics>;

export function metricsIn(folder: string, dir: string): Metrics[] {
  return readFileSync(join(folder, dir, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Metrics);
}
