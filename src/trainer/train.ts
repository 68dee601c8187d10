import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { timelineOf } from "../engine/recorder.ts";
import { runRanks } from "../launch/threads.ts";
import { chromeTrace, makespanOf, type Profile, profileOf, type Timeline } from "../schedule/index.ts";
import { bytesPerElement } from "../tensor/dtype.ts";
import { type BubbleReport, reportBubble } from "./bubble.ts";
import { formatConfig, numStages, type TrainConfig } from "./config.ts";
import { type Corpus, loadCorpus } from "./data/corpus.ts";
import { MetricsWriter } from "./metrics.ts";
import { Progress, type ProgressOutput } from "./progress.ts";
import { writeSafetensors } from "./safetensors.ts";
import type { SampleRankData } from "./sample-rank.ts";
import { Throughput } from "./throughput.ts";
import type { TrainRankData, TrainRankResult, TrainReport } from "./train-rank.ts";

export interface TrainOptions {
  readonly config: TrainConfig;
  /** Where progress is shown. */
  readonly output: ProgressOutput;
  readonly signal?: AbortSignal;
  /** Where to write what the last steps' computations took, for the simulator and the planner. */
  readonly profilePath?: string | undefined;
}

export interface TrainSummary {
  /** Nats a token on the held-out text, after the last step. */
  readonly validationLoss: number;
  /** That of the unigram model of the same tokens. */
  readonly unigramLoss: number;
  readonly bubble: BubbleReport;
  /** The prompt and its continuation. */
  readonly sample: string;
  /** What was written, by what it is. */
  readonly files: Readonly<Record<string, string>>;
}

/**
 * Trains a model as a config says: ranks in threads of this process, records and weights in files.
 * @throws DataError, NonFiniteLossError (as a RankError with its code), RankError.
 */
export async function train({ config, output, signal, profilePath }: TrainOptions): Promise<TrainSummary> {
  const { dir, traceLastStep, saveWeights } = config.output;
  await mkdir(dir, { recursive: true });
  const files: Record<string, string> = {
    config: join(dir, "config.yaml"),
    metrics: join(dir, "metrics.jsonl"),
  };
  await writeFile(files.config!, formatConfig(config));
  const corpus = await loadCorpus(config.data);
  const { results, validationLoss } = await runTraining(config, corpus, files.metrics!, output, signal);
  const timelines = timelinesOf(config, results);
  const timeline = timelines.at(-1)!;
  const profile = profileOfRun(config, timelines);
  if (profilePath !== undefined) {
    files.profile = profilePath;
    await writeFile(profilePath, `${JSON.stringify(profile, undefined, 2)}\n`);
  }
  const weights = results.flatMap((result) => result.weights);
  if (traceLastStep) {
    files.trace = join(dir, "trace.json");
    await writeFile(files.trace, JSON.stringify(chromeTrace(timeline)));
  }
  if (saveWeights) {
    files.weights = join(dir, "model.safetensors");
    files.tokenizer = join(dir, "tokenizer.json");
    await writeSafetensors(files.weights, weights, { format: "pt" });
    await writeFile(files.tokenizer, JSON.stringify(corpus.tokenizer.json));
  }
  const prompt = corpus.tokenizer.encode(config.sample.prompt);
  const data: SampleRankData = { config, weights, prompt };
  const [continuation] = await runRanks<number[]>(siblingProgram("sample-rank"), {
    numRanks: 1,
    data,
    ...(signal ? { signal } : {}),
  });
  return {
    validationLoss,
    unigramLoss: corpus.unigramLoss,
    bubble: reportBubble(timeline, profile),
    sample: corpus.tokenizer.decode([...prompt, ...continuation!]),
    files,
  };
}

/** The recorded steps, oldest first. */
function timelinesOf({ pipeline }: TrainConfig, results: readonly TrainRankResult[]): Timeline[] {
  return results[0]!.tracks.map((_, step) =>
    timelineOf(
      pipeline.schedule,
      pipeline.microBatches,
      results.map(({ tracks }) => tracks[step]!),
    ),
  );
}

function profileOfRun({ pipeline, model, training }: TrainConfig, timelines: readonly Timeline[]): Profile {
  const stepsMs = timelines.map(makespanOf).sort((a, b) => a - b);
  const shape = {
    schedule: pipeline.schedule,
    numRanks: pipeline.ranks,
    numStages: numStages(pipeline),
    numMicroBatches: pipeline.microBatches,
    stepMs: stepsMs[stepsMs.length >> 1]!,
    link: { latency: 0 },
  };
  const { microBatchSize, sequenceLength, dtype } = training;
  return profileOf(
    timelines,
    shape,
    microBatchSize * sequenceLength * model.hiddenSize * bytesPerElement(dtype),
  );
}

async function runTraining(
  config: TrainConfig,
  corpus: Corpus,
  metricsPath: string,
  output: ProgressOutput,
  signal: AbortSignal | undefined,
): Promise<{ results: TrainRankResult[]; validationLoss: number }> {
  const { training, pipeline } = config;
  using metrics = new MetricsWriter(metricsPath);
  using progress = new Progress(training.steps, output);
  const tokensPerStep = pipeline.microBatches * training.microBatchSize * training.sequenceLength;
  const throughput = new Throughput({ numSteps: training.steps, tokensPerStep });
  let validationLoss = Number.NaN;
  const { unigramLoss } = corpus;
  const onReport = (_rank: number, value: unknown): void => {
    const report = value as TrainReport;
    switch (report.kind) {
      case "ready":
        throughput.resume();
        break;
      case "step": {
        const speed = throughput.stepDone();
        const { elapsedSeconds, tokensPerSecond } = speed;
        metrics.write({ ...report, kind: "train", tokensPerSecond, elapsedSeconds });
        progress.update({ ...report, ...speed });
        break;
      }
      case "validation": {
        const { step, loss } = report;
        validationLoss = loss;
        metrics.write({
          kind: "validation",
          step,
          loss,
          unigramLoss,
          elapsedSeconds: throughput.elapsedSeconds,
        });
        progress.print(
          `step ${step}: validation loss ${loss.toFixed(3)} (unigram model ${unigramLoss.toFixed(3)})`,
        );
        throughput.resume();
        break;
      }
      default:
        report satisfies never;
    }
  };
  const data: TrainRankData = { config, train: shared(corpus.train), validation: shared(corpus.validation) };
  const results = await runRanks<TrainRankResult>(siblingProgram("train-rank"), {
    numRanks: pipeline.ranks,
    data,
    onReport,
    ...(signal ? { signal } : {}),
  });
  return { results, validationLoss };
}

/** A copy that threads share instead of each getting its own. */
function shared(tokens: Uint16Array): Uint16Array {
  const copy = new Uint16Array(new SharedArrayBuffer(tokens.byteLength));
  copy.set(tokens);
  return copy;
}

/** A program beside this file, compiled if this file is. */
function siblingProgram(name: string): URL {
  return new URL(`./${name}${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);
}
