import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { parseConfig } from "../../src/trainer/config/config.ts";
import { train } from "../../src/trainer/train.ts";

const folder = mkdtempSync(join(tmpdir(), "dualpipe-validation-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("validation.everySteps=0 turns validation off, and then no text need be held out for it", async () => {
  const source = join(folder, "text.txt");
  writeFileSync(source, "one two three four five six seven eight ".repeat(30));
  const dir = join(folder, "run");
  const config = parseConfig("", [
    `data={source: "${source}", vocabSize: 280, cacheDir: "${folder}", validationFraction: 0}`,
    "model={hiddenSize: 16, numHeads: 2, numLayers: 2}",
    "pipeline={schedule: gpipe, ranks: 1, microBatches: 1}",
    "training={steps: 3, microBatchSize: 1, sequenceLength: 16}",
    "validation={everySteps: 0}",
    "sample={prompt: one, numTokens: 1, topK: 0}",
    `output={dir: "${dir}", traceLastStep: false}`,
  ]);
  const summary = await train({ config });
  expect(summary.validationLoss).toBeUndefined();
  const lines = readFileSync(join(dir, "metrics.jsonl"), "utf8").trim().split("\n");
  expect(lines.map((line) => (JSON.parse(line) as { kind: string }).kind)).toEqual([
    "train",
    "train",
    "train",
  ]);
});

test("a run that validates needs text that is held out", () => {
  expect(() => parseConfig("data: {validationFraction: 0}")).toThrow(
    "must be a number over 0 and under 1; got 0; use 0.05, or turn validation off with validation.everySteps=0",
  );
});
