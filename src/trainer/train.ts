/**
 * A training run from its config to its files, as one process, or process 0 of several, goes through it.
 *
 * Three parts follow each other. Preparing finds what the whole run depends on: the checkpoint to resume from and the
 * tokens, and it ends the run if the two do not belong together. Following runs the ranks (coordinator.ts) while
 * listeners write metrics and show progress. Then the results are written, and a sample is drawn from the trained
 * model.
 *
 * The config is written before the first step, with every default filled in, because a run that fails needs it most.
 * The metrics of a resumed run are cut back to its checkpoint first: steps after it are about to be done again, and
 * must not appear twice.
 */
import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { removeTemporaryFiles } from "../files/atomic-file.ts";
import type { ProcessPlacement } from "../launch/process-placement.ts";
import { chromeTrace, type Profile, type Timeline } from "../schedule/index.ts";
import { CheckpointRequests } from "./checkpoint/requests.ts";
import { checkTokens, findResumePoint } from "./checkpoint/resume.ts";
import { CheckpointStore } from "./checkpoint/store.ts";
import { formatConfig, type TrainConfig } from "./config/config.ts";
import { coordinate, type PreparedRun } from "./coordinator.ts";
import { type Corpus, loadCorpus } from "./data/corpus.ts";
import type { RankResult } from "./rank/rank-data.ts";
import { sampleOnRank } from "./rank/rank-threads.ts";
import { type BubbleReport, reportBubble } from "./report/bubble.ts";
import { LastResults } from "./report/last-results.ts";
import type { RunListener } from "./report/listener.ts";
import { cutMetrics, MetricsWriter } from "./report/metrics.ts";
import { profileOfRun } from "./report/profile.ts";
import { Progress, type ProgressOutput } from "./report/progress.ts";
import { CONFIG_FILE, saveFinalModel } from "./saved-model.ts";

export interface TrainOptions {
  readonly config: TrainConfig;
  /** Where progress is shown. */
  readonly output: ProgressOutput;
  /** Ends the run without a checkpoint. */
  readonly signal?: AbortSignal;
  /** The place of this process, process 0, in a run of several. */
  readonly processes?: ProcessPlacement | undefined;
  /** Go on from the newest checkpoint in `output.dir`, if there is one. */
  readonly resume?: boolean;
  /** Asks for checkpoints during the run. */
  readonly requests?: CheckpointRequests;
  /** Where to write the times of the last steps' computations, for the simulator and the planner. */
  readonly profilePath?: string | undefined;
  /** Follow the run, besides progress and metrics. */
  readonly listeners?: readonly RunListener[];
}

export interface TrainSummary {
  /** Nats per token on the held-out text, after the last step. */
  readonly validationLoss: number;
  /** The loss of a unigram model on the same tokens. */
  readonly unigramLoss: number;
  /** Undefined when a resumed run had no step left to measure. */
  readonly bubble: BubbleReport | undefined;
  /** The prompt and its continuation. */
  readonly sample: string;
  /** The paths of the files that were written, by what they are. */
  readonly files: Readonly<Record<string, string>>;
}

/**
 * Trains a model as a configuration says, on ranks that are threads of this process, and writes `output.dir`.
 * @throws DataError, CheckpointError; RankError, with the code of what was thrown on the rank, such as NON_FINITE_LOSS;
 * TrainingStopped after a request to stop.
 */
export async function train(options: TrainOptions): Promise<TrainSummary> {
  const { config, signal } = options;
  const run = await prepareRun(options);
  const { results, validationLoss, timelines } = await follow(run, options);
  const { corpus } = run;
  const profile = timelines.length > 0 ? profileOfRun(config, timelines) : undefined;
  const files = await writeResults(run, { results, timelines, profile, profilePath: options.profilePath });
  const prompt = corpus.tokenizer.encode(config.sample.prompt);
  const weights = results.flatMap((result) => result.weights);
  const continuation = await sampleOnRank({ config, weights, prompt }, signal);
  return {
    validationLoss,
    unigramLoss: corpus.unigramLoss,
    bubble: profile && reportBubble(timelines.at(-1)!, profile),
    sample: corpus.tokenizer.decode([...prompt, ...continuation]),
    files: { config: configPath(config), metrics: metricsPath(config), ...files },
  };
}

/** Finds the data and the checkpoint to resume from, and makes the run's folder ready. */
async function prepareRun(options: TrainOptions): Promise<Omit<PreparedRun, "listeners">> {
  const { config, output, resume = false } = options;
  const { dir } = config.output;
  await mkdir(dir, { recursive: true });
  await removeTemporaryFiles(dir);
  const store = new CheckpointStore(dir);
  const point = await findResumePoint(store, config, resume, (text) => output.write(`${text}\n`));
  const corpus = await loadCorpus(config.data);
  const tokensSha256 = hashTokens(corpus);
  if (point) checkTokens(point, tokensSha256);
  await writeFile(configPath(config), formatConfig(config));
  if (resume) await cutMetrics(metricsPath(config), point?.manifest.step ?? 0);
  const { signal, processes, requests = new CheckpointRequests() } = options;
  return { config, signal, processes, requests, corpus, tokensSha256, store, point };
}

/** Runs the run with its listeners. */
async function follow(
  run: Omit<PreparedRun, "listeners">,
  { output, resume = false, listeners = [] }: TrainOptions,
) {
  using metrics = new MetricsWriter(metricsPath(run.config), { resume });
  using progress = new Progress(run.config.training.steps, output);
  const last = new LastResults();
  const results = await coordinate({ ...run, listeners: [metrics, progress, last, ...listeners] });
  return { results, validationLoss: last.validationLoss, timelines: last.timelines };
}

/** Writes the files of a run that is done. @returns Their paths, by what they are. */
async function writeResults(
  { config, corpus }: Pick<PreparedRun, "config" | "corpus">,
  done: {
    readonly results: readonly RankResult[];
    readonly timelines: readonly Timeline[];
    readonly profile: Profile | undefined;
    readonly profilePath: string | undefined;
  },
): Promise<Record<string, string>> {
  const { dir, traceLastStep, saveWeights } = config.output;
  const { results, timelines, profile, profilePath } = done;
  const files: Record<string, string> = {};
  if (profilePath !== undefined && profile) {
    files.profile = profilePath;
    await writeFile(profilePath, `${JSON.stringify(profile, undefined, 2)}\n`);
  }
  const timeline = timelines.at(-1);
  if (traceLastStep && timeline) {
    files.trace = join(dir, "trace.json");
    await writeFile(files.trace, JSON.stringify(chromeTrace(timeline)));
  }
  if (saveWeights) {
    const weights = results.flatMap((result) => result.weights);
    const { step } = results[0]!;
    Object.assign(
      files,
      await saveFinalModel(dir, { step, config, weights, tokenizer: corpus.tokenizer.json }),
    );
  }
  return files;
}

function configPath({ output }: TrainConfig): string {
  return join(output.dir, CONFIG_FILE);
}

function metricsPath({ output }: TrainConfig): string {
  return join(output.dir, "metrics.jsonl");
}

function hashTokens({ train, validation }: Corpus): string {
  const boundary = `${train.length} and ${validation.length} tokens: `;
  return createHash("sha256").update(boundary).update(train).update(validation).digest("hex");
}
