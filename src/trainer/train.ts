import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { timelineOf } from "../engine/recorder.ts";
import { removeTemporaryFiles } from "../files/atomic-file.ts";
import { writeSafetensors } from "../files/safetensors.ts";
import { runRanks } from "../launch/run-ranks.ts";
import { chromeTrace, makespanOf, type Profile, profileOf, type Timeline } from "../schedule/index.ts";
import { bytesPerElement } from "../tensor/dtype.ts";
import { cutMetrics } from "./checkpoint/cut-metrics.ts";
import { checkTokens, findResumePoint } from "./checkpoint/resume.ts";
import { CheckpointStore } from "./checkpoint/store.ts";
import { formatConfig, numStages, type TrainConfig } from "./config/config.ts";
import { runTraining, type TrainingRunOptions } from "./coordinator.ts";
import { type Corpus, loadCorpus } from "./data/corpus.ts";
import { finalWeightsMetadata } from "./export-model.ts";
import type { TrainRankResult } from "./rank/rank-program.ts";
import type { SampleRankData } from "./rank/sample-program.ts";
import { siblingProgram } from "./rank/sibling-program.ts";
import { type BubbleReport, reportBubble } from "./report/bubble.ts";

export interface TrainOptions extends TrainingRunOptions {
  /** Where to write what the last steps' computations took, for the simulator and the planner. */
  readonly profilePath?: string | undefined;
}

export interface TrainSummary {
  /** Nats a token on the held-out text, after the last step. */
  readonly validationLoss: number;
  /** That of the unigram model of the same tokens. */
  readonly unigramLoss: number;
  /** Undefined when a resumed run had no step left to measure. */
  readonly bubble: BubbleReport | undefined;
  /** The prompt and its continuation. */
  readonly sample: string;
  /** What was written, by what it is. */
  readonly files: Readonly<Record<string, string>>;
}

/**
 * Trains a model as a config says: ranks in threads of this process, records and weights in files.
 * @throws DataError, NonFiniteLossError (as a RankError with its code), RankError, CheckpointError, TrainingStopped.
 */
export async function train(options: TrainOptions): Promise<TrainSummary> {
  const { config, output, signal, profilePath, resume = false } = options;
  const { dir, traceLastStep, saveWeights } = config.output;
  await mkdir(dir, { recursive: true });
  await removeTemporaryFiles(dir);
  const files: Record<string, string> = {
    config: join(dir, "config.yaml"),
    metrics: join(dir, "metrics.jsonl"),
  };
  const store = new CheckpointStore(dir);
  const point = await findResumePoint(store, config, resume, (text) => output.write(`${text}\n`));
  const corpus = await loadCorpus(config.data);
  const tokensSha256 = hashTokens(corpus);
  if (point) checkTokens(point, tokensSha256);
  await writeFile(files.config!, formatConfig(config));
  if (resume) await cutMetrics(files.metrics!, point?.manifest.step ?? 0);
  const { results, validationLoss } = await runTraining({ ...options, corpus, tokensSha256, store, point });
  const timelines = timelinesOf(config, results);
  const timeline = timelines.at(-1);
  const profile = timeline && profileOfRun(config, timelines);
  if (profilePath !== undefined && profile) {
    files.profile = profilePath;
    await writeFile(profilePath, `${JSON.stringify(profile, undefined, 2)}\n`);
  }
  const weights = results.flatMap((result) => result.weights);
  if (traceLastStep && timeline) {
    files.trace = join(dir, "trace.json");
    await writeFile(files.trace, JSON.stringify(chromeTrace(timeline)));
  }
  if (saveWeights) {
    files.weights = join(dir, "model.safetensors");
    files.tokenizer = join(dir, "tokenizer.json");
    await writeSafetensors(
      files.weights,
      weights,
      finalWeightsMetadata(results[0]!.step, formatConfig(config)),
    );
    await writeFile(files.tokenizer, JSON.stringify(corpus.tokenizer.json));
  }
  const prompt = corpus.tokenizer.encode(config.sample.prompt);
  const data: SampleRankData = { config, weights, prompt };
  const [continuation] = await runRanks<number[]>(siblingProgram("sample-program"), {
    numRanks: 1,
    data,
    ...(signal ? { signal } : {}),
  });
  return {
    validationLoss,
    unigramLoss: corpus.unigramLoss,
    bubble: timeline && profile && reportBubble(timeline, profile),
    sample: corpus.tokenizer.decode([...prompt, ...continuation!]),
    files,
  };
}

/** The recorded steps of the first replica, oldest first. */
function timelinesOf({ pipeline }: TrainConfig, results: readonly TrainRankResult[]): Timeline[] {
  const ofReplica = results.slice(0, pipeline.ranks);
  return results[0]!.tracks.map((_, step) =>
    timelineOf(
      pipeline.schedule,
      pipeline.microBatches,
      ofReplica.map(({ tracks }) => tracks[step]!),
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

function hashTokens({ train, validation }: Corpus): string {
  const boundary = `${train.length} and ${validation.length} tokens: `;
  return createHash("sha256").update(boundary).update(train).update(validation).digest("hex");
}
