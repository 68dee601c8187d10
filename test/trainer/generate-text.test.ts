import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTokenizer, generateText, parseConfig, train } from "../../src/index.ts";
import { startDualpipe } from "../processes/start-launcher.ts";

const folder = mkdtempSync(join(tmpdir(), "dualpipe-generate-"));
const dir = join(folder, "run");
let sample: string;

beforeAll(async () => {
  const source = join(folder, "text.txt");
  const words = ["one", "two", "three", "four", "five", "six", "seven", "eight"];
  const document = Array.from({ length: 150 }, (_, i) => words[i % words.length]).join(" ");
  writeFileSync(source, Array(20).fill(document).join("<|endoftext|>"));
  const config = parseConfig("", [
    `data={source: "${source}", vocabSize: 280, cacheDir: "${folder}/cache", validationFraction: 0.2}`,
    "model={hiddenSize: 16, numLayers: 2, numHeads: 2}",
    "pipeline={schedule: dualpipe, ranks: 2, microBatches: 4}",
    "training={steps: 4, microBatchSize: 1, sequenceLength: 16}",
    "checkpoint={everySteps: 2, keep: 1}",
    "sample={prompt: one two, numTokens: 5, topK: 10, temperature: 1}",
    `output={dir: "${dir}", traceLastStep: false}`,
  ]);
  ({ sample } = await train({ config }));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("with the run's own values a run and its last checkpoint write the sample of the run", async () => {
  expect(await generateText(dir, { prompt: "one two" })).toBe(sample);
  const checkpoint = join(dir, "checkpoints", "step-000004");
  expect(await generateText(checkpoint, { prompt: "one two" })).toBe(sample);
});

test("the command line says the same as the function, for every option", async () => {
  const expected = await generateText(dir, { prompt: "six", numTokens: 7, temperature: 2, topK: 0, seed: 3 });
  const options = ["--prompt", "six", "--tokens", "7", "--temperature", "2", "--top-k", "0", "--seed", "3"];
  const { status, stdout } = await startDualpipe(["generate", dir, ...options]).ended;
  expect({ status, stdout }).toEqual({ status: 0, stdout: `${expected}\n` });
  expect(await generateText(dir, { prompt: "six", numTokens: 7, temperature: 2, topK: 0, seed: 4 })).not.toBe(
    expected,
  );
});

test.each([
  [{ prompt: "" }, "the prompt must be a text of at least one character"],
  [{ prompt: "one", numTokens: -1 }, "numTokens must be a whole number from 0; got -1"],
  [{ prompt: "one", topK: 1.5 }, "topK must be a whole number from 0; got 1.5"],
  [{ prompt: "one", temperature: Number.NaN }, "the temperature must be a number from 0; got NaN"],
])("%j is refused", async (options, message) => {
  await expect(generateText(dir, options)).rejects.toThrow(message);
});

test("the tokenizer is that of the model", () => {
  const { encode, decode } = createTokenizer(280);
  expect(decode(encode("six sieben 6"))).toBe("six sieben 6");
});
