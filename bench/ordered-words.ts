import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** Writes a text and a configuration that trains on it on two ranks. @returns The path of the configuration. */
export function orderedWords(folder: string, numSteps: number): string {
  const words = ["one", "two", "three", "four", "five", "six", "seven", "eight"];
  const document = Array.from({ length: 150 }, (_, i) => words[i % words.length]).join(" ");
  const source = join(folder, "text.txt");
  writeFileSync(source, Array(40).fill(document).join("<|endoftext|>"));
  const path = join(folder, "config.yaml");
  const lines = [
    `data: {source: ${JSON.stringify(source)}, vocabSize: 280, cacheDir: ${JSON.stringify(folder)}, validationFraction: 0.2}`,
    "model: {hiddenSize: 64, numLayers: 4, numHeads: 2}",
    "pipeline: {schedule: dualpipe, ranks: 2, microBatches: 8}",
    `training: {steps: ${numSteps}, microBatchSize: 2, sequenceLength: 32}`,
    "optimizer: {kind: adamw, learningRate: 0.001}",
    "validation: {everySteps: 50, numBatches: 1}",
    "sample: {prompt: one two, numTokens: 4, temperature: 0, topK: 0}",
    `output: {dir: ${JSON.stringify(join(folder, "run"))}}`,
  ];
  writeFileSync(path, lines.join("\n"));
  return path;
}
