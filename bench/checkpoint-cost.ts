// `npm run bench -- checkpoint [CHECKPOINTS]`: how much longer steps take while a checkpoint of 1 GB is copied and
// written.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "../src/trainer/config/config.ts";
import { train } from "../src/trainer/train.ts";

const INTERVAL = 50;

/** 86.6 million parameters: 1.04 GB with AdamW's state. */
const MODEL = "model={hiddenSize: 768, numLayers: 12, numHeads: 12}";

export async function main([checkpoints = "3"]: readonly string[]): Promise<number> {
  const numCheckpoints = Number(checkpoints);
  const folder = mkdtempSync(join(tmpdir(), "dualpipe-checkpoint-cost-"));
  try {
    // The last checkpoint is followed by as many steps as the others.
    const steps = (numCheckpoints + 1) * INTERVAL;
    const config = await loadConfig("examples/gpt/config.yaml", [
      MODEL,
      "pipeline={schedule: dualpipe, ranks: 2, microBatches: 4}",
      `training={steps: ${steps}, microBatchSize: 1, sequenceLength: 64}`,
      `checkpoint={everySteps: ${INTERVAL}, keep: 1}`,
      `validation={everySteps: ${steps}, numBatches: 1}`,
      "sample.numTokens=1",
      `output={dir: ${folder}, saveWeights: false, traceLastStep: false}`,
    ]);
    const output = { isTTY: false, write: (text: string) => process.stderr.write(text) };
    await train({ config, output });
    report(stepSeconds(folder), numCheckpoints, bytesOf(join(folder, "checkpoints")));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return 0;
}

/** The time from the end of each step to the end of the next, including copies for a checkpoint. */
function stepSeconds(folder: string): number[] {
  const ends = readFileSync(join(folder, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { kind: string; elapsedSeconds: number })
    .filter(({ kind }) => kind === "train")
    .map(({ elapsedSeconds }) => elapsedSeconds);
  return ends.map((end, i) => end - (ends[i - 1] ?? 0));
}

/** Compares the first half of the steps after each checkpoint with the second half, in which nothing is written. */
function report(seconds: readonly number[], numCheckpoints: number, bytes: number): void {
  console.log("| checkpoint | 25 steps after it | the next 25 | longest step | share of the interval |");
  console.log("| --- | --- | --- | --- | --- |");
  const sum = (from: number, count: number) => seconds.slice(from, from + count).reduce((a, b) => a + b, 0);
  const half = INTERVAL / 2;
  const shares: number[] = [];
  for (let checkpoint = 1; checkpoint <= numCheckpoints; checkpoint++) {
    const first = checkpoint * INTERVAL;
    const [during, after] = [sum(first, half), sum(first + half, half)];
    const share = (during - after) / (2 * after);
    shares.push(share);
    const longest = Math.max(...seconds.slice(first, first + half));
    console.log(
      `| ${checkpoint} | ${during.toFixed(1)} s | ${after.toFixed(1)} s | ${longest.toFixed(2)} s | ${(100 * share).toFixed(1)} % |`,
    );
  }
  const mean = shares.reduce((a, b) => a + b, 0) / shares.length;
  console.log(
    `\n${(bytes / 1e9).toFixed(2)} GB at an interval of ${INTERVAL} steps costs ${(100 * mean).toFixed(1)} % of the time, over ${numCheckpoints} checkpoints.`,
  );
}

function bytesOf(checkpoints: string): number {
  return readdirSync(checkpoints, { recursive: true, encoding: "utf8" })
    .map((path) => statSync(join(checkpoints, path)))
    .filter((stats) => stats.isFile())
    .reduce((total, { size }) => total + size, 0);
}
