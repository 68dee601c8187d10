import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readSafetensors } from "../../src/files/safetensors.ts";
import { childrenOf, until } from "../faults/processes.ts";
import { startDualpipe } from "./start-launcher.ts";

const STRAGGLER = new URL("./straggler.mjs", import.meta.url).href;

const folder = mkdtempSync(join(tmpdir(), "dualpipe-processes-"));
const config = join(folder, "config.yaml");

beforeAll(() => {
  const text = join(folder, "text.txt");
  const words = ["one", "two", "three", "four", "five", "six", "seven", "eight"];
  const document = Array.from({ length: 150 }, (_, i) => words[i % words.length]).join(" ");
  writeFileSync(text, Array(40).fill(document).join("<|endoftext|>"));
  const lines = [
    `data: {source: "${text}", vocabSize: 280, cacheDir: "${folder}", validationFraction: 0.2}`,
    "model: {hiddenSize: 32, numLayers: 4, numHeads: 2}",
    "pipeline: {schedule: dualpipe, ranks: 4, microBatches: 8}",
    "training: {steps: 4, microBatchSize: 2, sequenceLength: 16}",
    "optimizer: {kind: adamw, learningRate: 0.01}",
    "learningRateSchedule: {kind: constant, warmupSteps: 1}",
    "validation: {everySteps: 2, numBatches: 1}",
    "sample: {prompt: one two, numTokens: 4, temperature: 0, topK: 0}",
  ];
  writeFileSync(config, lines.join("\n"));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function train(dir: string, numProcesses: number, args: readonly string[] = []) {
  const start = numProcesses === 0 ? ["train"] : ["launch", "--nproc-per-node", String(numProcesses)];
  const set = ["--set", `output.dir=${join(folder, dir)}`];
  const { status, stderr } = await startDualpipe([...start, config, ...set, ...args]).ended;
  if (status !== 0) throw new Error(`ended with ${status}: ${stderr}`);
}

/** What the run computed, without its timings. */
const numbersOf = (dir: string) =>
  readFileSync(join(folder, dir, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => {
      const { kind, step, loss, gradientNorm } = JSON.parse(line) as Record<string, unknown>;
      return { kind, step, loss, gradientNorm };
    });

/** The tensors alone: the file also names its config, which has another folder. */
const weightsOf = async (dir: string) =>
  (await readSafetensors(join(folder, dir, "model.safetensors"))).tensors.map(({ name, data }) => ({
    name,
    bytes: Buffer.from(data).toString("base64"),
  }));

describe("a config that is trained over processes", () => {
  beforeAll(() => train("threads", 0));

  test.each([2, 4])(
    "has, on %i of them, the losses and weights of four rank threads, bit for bit",
    async (n) => {
      await train(`processes-${n}`, n);
      expect(numbersOf(`processes-${n}`)).toHaveLength(6);
      expect(numbersOf(`processes-${n}`)).toEqual(numbersOf("threads"));
      expect(await weightsOf(`processes-${n}`)).toEqual(await weightsOf("threads"));
    },
  );

  test("resumes from a checkpoint whose parts all processes wrote", async () => {
    await train("resumed", 2, ["--set", "checkpoint.everySteps=2", "--set", "training.steps=2"]);
    await train("resumed", 2, ["--resume", "--set", "checkpoint.everySteps=2"]);
    expect(await weightsOf("resumed")).toEqual(await weightsOf("threads"));
  });
});

test("when a process is killed, the remaining ranks name its ranks and what they were waiting for", async () => {
  const script = fileURLToPath(new URL("./dying-script.ts", import.meta.url));
  const { status, stdout } = await startDualpipe(["launch", "--nproc-per-node", "2", script]).ended;
  expect(status).toBe(3);
  expect(stdout).toMatch(
    /^(DISCONNECTED|ABORTED): dualpipe: rank 0 stopped while waiting for gradients of rank 3: (ranks 2 to 3 disconnected|process 1 \(ranks 2 to 3\) disconnected)/,
  );
});

test.each([
  ["SIGTERM", 143],
  ["SIGHUP", 143],
  ["SIGINT", 143],
] as const)("a %s to any one process makes all write a checkpoint and end", async (signal, expected) => {
  const dir = join(folder, `ended-${signal}`);
  const set = [`output.dir=${dir}`, "training.steps=100000", "checkpoint.everySteps=1000000"].flatMap(
    (text) => ["--set", text],
  );
  const launcher = startDualpipe(["launch", "--nproc-per-node", "2", "--max-restarts", "3", config, ...set]);
  await until(
    "it trains",
    () => existsSync(join(dir, "metrics.jsonl")) && statSync(join(dir, "metrics.jsonl")).size > 0,
  );
  process.kill(childrenOf(launcher.child.pid!)[1]!, signal);
  const { status, stderr } = await launcher.ended;
  expect(status).toBe(expected);
  expect(stderr).toMatch(/stopped after step \d+: the newest checkpoint is .*; go on with --resume/);
  expect(stderr).not.toContain("restart");
});

test.each([
  ["an error of the user's", ["--set", "data.source=/nowhere"], 1, /nowhere/],
  [
    "a rendezvous that not all join",
    ["--set", "timeouts.meetSeconds=0.5"],
    4,
    /waited 0.5 s for all 2 processes/,
  ],
] as const)(
  "%s has its own exit status, and only what a restart can cure is restarted",
  async (_what, set, expected, said) => {
    // The second process never joins.
    const env = expected === 4 ? { NODE_OPTIONS: `--import ${STRAGGLER}` } : {};
    const args = ["--nproc-per-node", "2", "--max-restarts", "1", config, ...set];
    const dir = ["--set", `output.dir=${join(folder, `status-${expected}`)}`];
    const { status, stderr } = await startDualpipe(["launch", ...args, ...dir], env).ended;
    expect(stderr).toMatch(said);
    expect(status).toBe(expected);
    expect(stderr.includes("restart 1 of 1")).toBe(expected === 4);
  },
);

test("ranks that cannot be spread evenly over the processes are refused with what is possible", async () => {
  await expect(train("uneven", 3)).rejects.toThrow(/got 4 ranks and 3 processes; start 1, 2, 4 processes/);
});
