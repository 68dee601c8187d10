import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { readSafetensors } from "../../src/files/safetensors.ts";
import { loadConfig, type TrainConfig } from "../../src/trainer/config/config.ts";
import { train } from "../../src/trainer/train.ts";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const LOADER = fileURLToPath(new URL("../register-tsx.mjs", import.meta.url));

/** With a checkpoint after every fifth, the last two are after 10 and 15. */
const NUM_STEPS = 15;

/** The numbers of a line of metrics that do not depend on the clock. */
export interface Metric {
  readonly kind: string;
  readonly step: number;
  readonly loss: number;
  readonly gradientNorm: number | undefined;
  readonly learningRate: number | undefined;
}

export interface SpawnOptions {
  /** Options of `dualpipe launch`, which is then started in place of `dualpipe train`. */
  readonly launch?: readonly string[];
  /** A command that runs it. */
  readonly wrapper?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly resume?: boolean;
}

/** A small training run, in folders of its own under one that is deleted at the end. */
export class TrainingRun implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "dualpipe-checkpoint-"));
  readonly lines: string[] = [];
  readonly #configPath = join(this.folder, "config.yaml");

  constructor() {
    const words = ["one", "two", "three", "four", "five", "six", "seven", "eight"];
    const document = Array.from({ length: 150 }, (_, i) => words[i % words.length]).join(" ");
    const source = join(this.folder, "text.txt");
    writeFileSync(source, Array(40).fill(document).join("<|endoftext|>"));
    const config = {
      data: { source, vocabSize: 280, cacheDir: join(this.folder, "cache"), validationFraction: 0.2 },
      model: { hiddenSize: 32, numLayers: 4, numHeads: 2, tieEmbeddings: false },
      pipeline: { schedule: "dualpipe", ranks: 2, microBatches: 8 },
      training: { steps: NUM_STEPS, microBatchSize: 1, sequenceLength: 16 },
      optimizer: { kind: "adamw", learningRate: 0.01 },
      learningRateSchedule: { kind: "cosine", warmupSteps: 3, minLearningRate: 0.001 },
      validation: { everySteps: 5, numBatches: 1 },
      sample: { prompt: "one", numTokens: 1, temperature: 0, topK: 0 },
      output: { traceLastStep: false },
    };
    writeFileSync(this.#configPath, stringify(config));
  }

  dir(name: string): string {
    return join(this.folder, name);
  }

  config(name: string, overrides: readonly string[] = []): Promise<TrainConfig> {
    return loadConfig(this.#configPath, [`output.dir=${this.dir(name)}`, ...overrides]);
  }

  /** Trains in this process; what it shows is in `lines`. */
  async train(name: string, overrides: readonly string[] = [], resume = false) {
    this.lines.length = 0;
    const output = { write: (text: string) => this.lines.push(text) };
    return train({ config: await this.config(name, overrides), output, resume });
  }

  /** Starts `dualpipe train`, or `dualpipe launch`, in a process of its own. */
  spawn(
    dir: string,
    overrides: readonly string[] = [],
    { launch, wrapper = [], env, resume = true }: SpawnOptions = {},
  ) {
    const sets = [`output.dir=${dir}`, ...overrides].flatMap((text) => ["--set", text]);
    const start = launch === undefined ? ["train"] : ["launch", ...launch];
    const command = [process.execPath, "--import", LOADER, MAIN, ...start, this.#configPath, ...sets];
    const [program, ...args] = [...wrapper, ...command, ...(resume ? ["--resume"] : [])];
    const child = spawn(program!, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env },
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (data) => {
        output += data;
      });
    const closed = once(child, "close") as Promise<[number | null, NodeJS.Signals | null]>;
    return {
      child,
      closed,
      output: () => output,
      /** Resolves when the text was shown, or the process is gone. */
      until: async (text: string) => {
        while (!output.includes(text) && child.exitCode === null && child.signalCode === null)
          await Promise.race([once(child.stderr, "data"), closed]);
      },
    };
  }

  copy(from: string, to: string): void {
    cpSync(this.dir(from), this.dir(to), { recursive: true });
  }

  /** A checksum of the final weights, without what the file says of the run. */
  async weights(name: string): Promise<string> {
    const { tensors } = await readSafetensors(join(this.dir(name), "model.safetensors"));
    const hash = createHash("sha256");
    for (const { name, dtype, shape, data } of tensors) hash.update(`${name} ${dtype} ${shape}`).update(data);
    return hash.digest("hex");
  }

  checkpoints(name: string): string[] {
    return readdirSync(join(this.dir(name), "checkpoints")).sort();
  }

  metrics(name: string): Metric[] {
    const lines = readFileSync(join(this.dir(name), "metrics.jsonl"), "utf8")
      .trim()
      .split("\n");
    return lines.map((line) => {
      const { kind, step, loss, gradientNorm, learningRate } = JSON.parse(line) as Metric;
      return { kind, step, loss, gradientNorm, learningRate };
    });
  }

  /** Whatever a writer left that was not finished. */
  temporaryFiles(name: string): string[] {
    return readdirSync(this.dir(name), { recursive: true, encoding: "utf8" }).filter((path) =>
      path.endsWith(".tmp"),
    );
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
