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
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { problemOf } from "../errors/dualpipe-error.ts";
import { writeFileAtomically } from "../files/atomic-file.ts";
import { FileError } from "../files/file-error.ts";
import { refuseInsideRank } from "../launch/inside-rank.ts";
import type { ProcessPlacement } from "../launch/process-placement.ts";
import { buildProgram, chromeTrace, type Profile, type Program, type Timeline } from "../schedule/index.ts";
import { checkFolder } from "./check-folder.ts";
import { CheckpointRequests } from "./checkpoint/requests.ts";
import { checkTokens, findResumePoint } from "./checkpoint/resume.ts";
import { scheduleOf, type TrainConfig } from "./config/config.ts";
import { coordinate, type PreparedRun } from "./coordinator.ts";
import { type Corpus, loadCorpus } from "./data/corpus.ts";
import type { RankResult } from "./rank/rank-data.ts";
import { sampleOnRank } from "./rank/rank-threads.ts";
import { type BubbleReport, reportBubble } from "./report/bubble.ts";
import { LastResults } from "./report/last-results.ts";
import type { RunListener } from "./report/listener.ts";
import { MetricsWriter } from "./report/metrics.ts";
import { profileOfRun } from "./report/profile.ts";
import { Progress, type ProgressOutput } from "./report/progress.ts";
import { type ExistingRun, RunFolder } from "./run-folder.ts";
import { saveFinalModel } from "./saved-model.ts";

export interface TrainOptions {
  readonly config: TrainConfig;
  /** Where progress is shown, such as `process.stderr`; by default nowhere. */
  readonly output?: ProgressOutput | undefined;
  /** Ends the run without a checkpoint. */
  readonly signal?: AbortSignal | undefined;
  /** The place of this process, process 0, in a run of several. */
  readonly processes?: ProcessPlacement | undefined;
  /** Go on from the newest checkpoint in `output.dir`, if there is one. */
  readonly resume?: boolean | undefined;
  /** Replace an earlier run in `output.dir`. Without this and `resume` a run refuses a folder that is not empty. */
  readonly overwrite?: boolean | undefined;
  /** Asks for checkpoints during the run. */
  readonly requests?: CheckpointRequests | undefined;
  /** Where to write the times of the last steps' computations, for the simulator and the planner. */
  readonly profilePath?: string | undefined;
  /** Follow the run, besides progress and metrics. */
  readonly listeners?: readonly RunListener[] | undefined;
}

export interface TrainSummary {
  /** Nats per token on the held-out text, after the last step; undefined when validation is turned off. */
  readonly validationLoss: number | undefined;
  /** The loss of a unigram model on the same tokens; NaN when no text is held out. */
  readonly unigramLoss: number;
  /** Undefined when a resumed run had no step left to measure. */
  readonly bubble: BubbleReport | undefined;
  /** The prompt and its continuation. */
  readonly sample: string;
  /** The paths of the files that were written, by what they are. */
  readonly files: Readonly<Record<string, string>>;
}

/** A run before it is followed by listeners. */
type RunToFollow = Omit<PreparedRun, "listeners" | "save">;

/** The paths of the files that a run wrote, by what they are. */
type Files = Record<string, string>;

/**
 * Trains a model as a configuration says, on ranks that are threads of this process, and writes `output.dir`.
 * @throws FolderError, RunFolderError, DataError, CheckpointError, FileError; RankError, with the code of what was
 * thrown on the rank, such as NON_FINITE_LOSS; TrainingStopped after a request to stop.
 */
export async function train(options: TrainOptions): Promise<TrainSummary> {
  refuseInsideRank("train");
  const { config, signal } = options;
  const run = await prepareRun(options);
  using _folder = run.folder;
  const files: Files = { config: run.folder.configPath, metrics: run.folder.metricsPath };
  try {
    const { results, validationLoss, timelines } = await follow(run, options, files);
    const { corpus } = run;
    const profile = timelines.length > 0 ? profileOfRun(config, timelines) : undefined;
    Object.assign(files, await writeTimes(run, timelines.at(-1), profile, options.profilePath));
    const prompt = corpus.tokenizer.encode(config.sample.prompt);
    const weights = results.flatMap((result) => result.weights);
    const continuation = await sampleOnRank({ config, weights, prompt }, signal);
    return {
      validationLoss,
      unigramLoss: corpus.unigramLoss,
      bubble: profile && reportBubble(timelines, profile, programOfRun(config.pipeline)),
      sample: corpus.tokenizer.decode([...prompt, ...continuation]),
      files,
    };
  } catch (error) {
    if (!(error instanceof FileError) || files.weights === undefined) throw error;
    throw new FileError(error.code, `${error.problem}; the weights are saved in ${files.weights}`, {
      cause: error,
    });
  }
}

/** Checks the folders, and finds the data and the checkpoint to resume from. Writes nothing but the cache. */
async function prepareRun(options: TrainOptions): Promise<RunToFollow> {
  const { config, output, resume = false, overwrite = false } = options;
  const existingRun: ExistingRun = resume ? "resume" : overwrite ? "overwrite" : "refuse";
  const folder = new RunFolder(config.output.dir, existingRun);
  const print = (text: string): void => void output?.write(`${text}\n`);
  try {
    await folder.check(print);
    return await findData(options, folder, print);
  } catch (error) {
    folder[Symbol.dispose]();
    throw error;
  }
}

/** The rest of the preparation, once the folder was checked. */
async function findData(
  options: TrainOptions,
  folder: RunFolder,
  print: (text: string) => void,
): Promise<RunToFollow> {
  const { config, profilePath, resume = false } = options;
  if (profilePath !== undefined) await checkFolder("the folder of the profile", dirname(profilePath));
  const point = resume ? await findResumePoint(folder.store, config, print) : undefined;
  const corpus = await loadCorpus(config.data);
  const tokensSha256 = hashTokens(corpus);
  if (point) checkTokens(point, tokensSha256);
  const { signal, processes, requests = new CheckpointRequests() } = options;
  return { config, signal, processes, requests, corpus, tokensSha256, folder, point };
}

/** Runs the run with its listeners. @param files Takes the paths of the weights and the tokenizer. */
async function follow(run: RunToFollow, options: TrainOptions, files: Files) {
  const { output, resume = false, listeners = [] } = options;
  const { config, folder } = run;
  const metrics = new MetricsWriter(folder.metricsPath, { resume });
  const progress = output === undefined ? [] : [new Progress(config.training.steps, output)];
  const last = new LastResults();
  const results = await coordinate({
    ...run,
    listeners: [metrics, ...progress, last, ...listeners],
    save: async (results) => {
      if (config.output.saveWeights) Object.assign(files, await saveWeights(run, results));
    },
  });
  return { results, validationLoss: last.validationLoss, timelines: last.timelines };
}

/**
 * Saves the weights and the tokenizer in the run's folder.
 * @throws FileError when that cannot be; the weights are then saved in the system's temporary folder, if it has space.
 */
async function saveWeights(
  { config, corpus, folder }: RunToFollow,
  results: readonly RankResult[],
): Promise<Files> {
  const model = {
    step: results[0]!.step,
    config,
    weights: results.flatMap((result) => result.weights),
    tokenizer: corpus.tokenizer.json,
  };
  try {
    return await saveFinalModel(folder.path, model);
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    const elsewhere = await mkdtemp(join(tmpdir(), "dualpipe-weights-"));
    const outcome = await saveFinalModel(elsewhere, model).then(
      ({ weights }) => `the weights are saved in ${weights}`,
      async (second: unknown) => {
        await rm(elsewhere, { recursive: true, force: true });
        return `nor could the weights be saved in the temporary folder: ${problemOf(second)}`;
      },
    );
    throw new FileError(error.code, `${error.problem}; ${outcome}`, { cause: error });
  }
}

/** Writes how long the computations took: the trace of the last step and the profile, as far as wanted. */
async function writeTimes(
  { config, folder }: RunToFollow,
  timeline: Timeline | undefined,
  profile: Profile | undefined,
  profilePath: string | undefined,
): Promise<Files> {
  const texts: [what: string, path: string, text: string][] = [];
  if (profilePath !== undefined && profile)
    texts.push(["profile", profilePath, `${JSON.stringify(profile, undefined, 2)}\n`]);
  if (config.output.traceLastStep && timeline)
    texts.push(["trace", folder.tracePath, JSON.stringify(chromeTrace(timeline))]);
  for (const [, path, text] of texts) await writeFileAtomically(path, (file) => file.writeFile(text));
  return Object.fromEntries(texts.map(([what, path]) => [what, path]));
}

/** The program of a training step, as the schedule has it for the run's sizes. */
function programOfRun(pipeline: TrainConfig["pipeline"]): Program {
  const schedule = scheduleOf(pipeline);
  if (typeof schedule !== "string") return schedule;
  return buildProgram(schedule, { numRanks: pipeline.ranks, numMicroBatches: pipeline.microBatches });
}

function hashTokens({ train, validation }: Corpus): string {
  const boundary = `${train.length} and ${validation.length} tokens: `;
  return createHash("sha256").update(boundary).update(train).update(validation).digest("hex");
}
