import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { timelineOf } from "../engine/recorder.ts";
import type { MetProcesses } from "../launch/met-processes.ts";
import type { ProcessPlacement } from "../launch/process-placement.ts";
import { RankError } from "../launch/rank-error.ts";
import { runRanks } from "../launch/threads.ts";
import { chromeTrace, makespanOf, type Profile, profileOf, type Timeline } from "../schedule/index.ts";
import { bytesPerElement } from "../tensor/dtype.ts";
import { removeTemporaryFiles } from "./atomic-file.ts";
import { type BubbleReport, reportBubble } from "./bubble.ts";
import { CheckpointCompletion } from "./checkpoint/completion.ts";
import { cutMetrics } from "./checkpoint/cut-metrics.ts";
import { finalWeightsMetadata } from "./checkpoint/export-model.ts";
import { PartWriter } from "./checkpoint/part-writer.ts";
import { CheckpointRequests } from "./checkpoint/requests.ts";
import { checkTokens, findResumePoint, type ResumePoint, sequencesPerStep } from "./checkpoint/resume.ts";
import { CheckpointStore } from "./checkpoint/store.ts";
import { TrainingStopped } from "./checkpoint/training-stopped.ts";
import { formatConfig, numRanks, numStages, type TrainConfig } from "./config.ts";
import { type Corpus, loadCorpus } from "./data/corpus.ts";
import { MetricsWriter } from "./metrics.ts";
import { Progress, type ProgressOutput } from "./progress.ts";
import { RunReports } from "./run-reports.ts";
import { writeSafetensors } from "./safetensors.ts";
import type { SampleRankData } from "./sample-rank.ts";
import { siblingProgram } from "./sibling-program.ts";
import { Throughput } from "./throughput.ts";
import { meetForTraining, type TrainMessage } from "./train-messages.ts";
import type { TrainRankResult } from "./train-rank.ts";
import { runTrainRanks, runTrainRanksOf } from "./train-ranks.ts";

export interface TrainOptions {
  readonly config: TrainConfig;
  /** Where progress is shown. */
  readonly output: ProgressOutput;
  readonly signal?: AbortSignal;
  /** Of a run over several processes: this one's place, which is process 0. The others run a `JoinedTraining`. */
  readonly processes?: ProcessPlacement | undefined;
  /** Go on from the newest checkpoint in `output.dir`, if there is one. */
  readonly resume?: boolean;
  /** By which checkpoints can be asked for while the run goes on. */
  readonly requests?: CheckpointRequests;
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
  const [continuation] = await runRanks<number[]>(siblingProgram("sample-rank"), {
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

interface RunOptions extends TrainOptions {
  readonly corpus: Corpus;
  readonly tokensSha256: string;
  readonly store: CheckpointStore;
  readonly point: ResumePoint | undefined;
}

interface RunOutcome {
  readonly results: readonly TrainRankResult[];
  readonly validationLoss: number;
  /** The folder of the newest checkpoint. */
  readonly newest: string | undefined;
}

/** @throws TrainingStopped when it was asked to end early. */
async function runTraining(options: RunOptions): Promise<RunOutcome> {
  const { config, signal, processes } = options;
  const met = processes && (await meetForTraining(config, processes, signal));
  let outcome: RunOutcome | undefined;
  try {
    outcome = await runMetTraining(options, met);
  } finally {
    await met?.leave({ well: outcome !== undefined });
  }
  const { step } = outcome.results[0]!;
  if (step < config.training.steps) throw new TrainingStopped(step, outcome.newest);
  return outcome;
}

async function runMetTraining(options: RunOptions, met: MetProcesses | undefined): Promise<RunOutcome> {
  const { config, corpus, signal, store, point } = options;
  const { requests = new CheckpointRequests() } = options;
  const { training, pipeline } = config;
  using metrics = new MetricsWriter(join(config.output.dir, "metrics.jsonl"), {
    resume: options.resume ?? false,
  });
  using progress = new Progress(training.steps, options.output);
  const firstStep = point?.manifest.step ?? 0;
  const tokensPerStep = sequencesPerStep(config) * training.sequenceLength;
  const throughput = new Throughput({ numSteps: training.steps, tokensPerStep, firstStep });
  let newest = point && store.pathOf(point.name);
  const completion = new CheckpointCompletion({
    store,
    keep: config.checkpoint.keep,
    numProcesses: met?.place.numProcesses ?? 1,
    describe: (step) => describeCheckpoint(options, step),
    onWritten: (step, folder) => {
      newest = folder;
      progress.print(`step ${step}: checkpoint ${folder}`);
    },
    onFailed: (step, error) =>
      progress.print(`step ${step}: no checkpoint could be written; training goes on: ${error.message}`),
    onDone: () => {
      requests.written();
      met?.send("others", { kind: "checkpointDone" } satisfies TrainMessage);
    },
  });
  const parts = new PartWriter({
    store,
    numRanks: met?.place.ranksPerProcess ?? numRanks(pipeline),
    onWritten: (step, outcome) => completion.add(step, outcome),
  });
  if (met) met.onMessage = (_from, message) => hear(message as TrainMessage, { completion, requests });
  const reports = new RunReports({ metrics, progress, throughput, requests, parts, corpus });
  const shared = {
    train: sharedCopy(corpus.train),
    validation: sharedCopy(corpus.validation),
    resume: point && { checkpoint: point.name, step: firstStep, isSameLayout: point.isSameLayout },
  };
  const rankOptions = { onReport: reports.take.bind(reports), signal };
  const { memory } = requests;
  try {
    const results = met
      ? (await runTrainRanksOf(met, { config, requests: memory, place: met.place, shared }, rankOptions))!
      : await runTrainRanks({ config, requests: memory, ...shared }, rankOptions);
    await parts.finish();
    await Promise.race([completion.finish(), ...(met ? [lossOf(met)] : [])]);
    return { results, validationLoss: reports.validationLoss, newest };
  } finally {
    requests.isOpen = false;
    await parts.finish();
    await completion.stop();
  }
}

/** Rejects when a process is lost before it has said what became of its parts of a checkpoint. */
function lossOf(met: MetProcesses): Promise<never> {
  return new Promise((_resolve, reject) => {
    met.onLost = (process, { text }) =>
      reject(
        new RankError(undefined, "LOST", `dualpipe: process ${process ?? "0"} is lost: ${text}`, undefined),
      );
  });
}

/** What the other processes say to process 0. */
function hear(
  message: TrainMessage,
  { completion, requests }: { completion: CheckpointCompletion; requests: CheckpointRequests },
): void {
  switch (message.kind) {
    case "parts":
      completion.add(message.step, message.outcome);
      break;
    case "request":
      requests.request(message.request);
      break;
    case "checkpointDone":
      break;
    default:
      message satisfies never;
  }
}

function describeCheckpoint({ config, corpus, tokensSha256 }: RunOptions, step: number) {
  const data = { sequences: step * sequencesPerStep(config), tokensSha256 };
  return {
    manifest: { format: "dualpipe-checkpoint", version: 1, step, data, config },
    tokenizer: JSON.stringify(corpus.tokenizer.json),
  } as const;
}

function hashTokens({ train, validation }: Corpus): string {
  const boundary = `${train.length} and ${validation.length} tokens: `;
  return createHash("sha256").update(boundary).update(train).update(validation).digest("hex");
}

/** A copy that threads share instead of each getting its own. */
function sharedCopy(tokens: Uint16Array): Uint16Array {
  const copy = new Uint16Array(new SharedArrayBuffer(tokens.byteLength));
  copy.set(tokens);
  return copy;
}
