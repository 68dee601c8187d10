import { join } from "node:path";
import type { ConnectedProcesses } from "../launch/connected-processes.ts";
import type { ProcessPlacement } from "../launch/process-placement.ts";
import type { RankError } from "../launch/rank-error.ts";
import { CheckpointCompletion } from "./checkpoint/completion.ts";
import { PartWriter } from "./checkpoint/part-writer.ts";
import { CheckpointRequests } from "./checkpoint/requests.ts";
import { type ResumePoint, sequencesPerStep } from "./checkpoint/resume.ts";
import type { CheckpointStore } from "./checkpoint/store.ts";
import { TrainingStopped } from "./checkpoint/training-stopped.ts";
import { numRanks, type TrainConfig } from "./config/config.ts";
import type { Corpus } from "./data/corpus.ts";
import { meetForTraining, type TrainMessage } from "./process-messages.ts";
import type { TrainRankResult } from "./rank/rank-program.ts";
import { runTrainRanks, runTrainRanksOf } from "./rank/start-ranks.ts";
import { MetricsWriter } from "./report/metrics.ts";
import { Progress, type ProgressOutput } from "./report/progress.ts";
import { RunReports } from "./report/run-reports.ts";
import { Throughput } from "./report/throughput.ts";

/** What a caller says of a run. */
export interface TrainingRunOptions {
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
}

/** What was found of it before it begins. */
export interface PreparedRun extends TrainingRunOptions {
  readonly corpus: Corpus;
  readonly tokensSha256: string;
  readonly store: CheckpointStore;
  readonly point: ResumePoint | undefined;
}

export interface RunOutcome {
  readonly results: readonly TrainRankResult[];
  readonly validationLoss: number;
  /** The folder of the newest checkpoint. */
  readonly newest: string | undefined;
}

/**
 * Runs the ranks of this process, and takes what they report to where it belongs.
 * @throws RankError, LaunchError; TrainingStopped when the run was asked to end early.
 */
export async function runTraining(options: PreparedRun): Promise<RunOutcome> {
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

async function runMetTraining(
  options: PreparedRun,
  met: ConnectedProcesses | undefined,
): Promise<RunOutcome> {
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
    numProcesses: met?.layout.numProcesses ?? 1,
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
    numRanks: met?.layout.ranksPerProcess ?? numRanks(pipeline),
    onWritten: (step, outcome) => completion.add(step, outcome),
  });
  met?.onMessage((_from, message) => hear(message as TrainMessage, { completion, requests }));
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
      ? (await runTrainRanksOf(met, { config, requests: memory, layout: met.layout, shared }, rankOptions))!
      : await runTrainRanks({ config, requests: memory, ...shared }, rankOptions);
    await parts.finish();
    await Promise.race([completion.finish(), ...(met ? [disconnectOf(met)] : [])]);
    return { results, validationLoss: reports.validationLoss, newest };
  } finally {
    requests.isOpen = false;
    await parts.finish();
    await completion.stop();
  }
}

/** Rejects when a process disconnects before it has reported its parts of a checkpoint. */
function disconnectOf({ disconnected }: ConnectedProcesses): Promise<never> {
  return new Promise((_resolve, reject) => {
    const fail = (): void => reject(disconnected.reason as RankError);
    disconnected.addEventListener("abort", fail, { once: true });
    if (disconnected.aborted) fail();
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

function describeCheckpoint({ config, corpus, tokensSha256 }: PreparedRun, step: number) {
  const data = { sequences: step * sequencesPerStep(config), tokensSha256 };
  return {
    manifest: { format: "dualpipe-checkpoint", version: 1, step, data, config },
    tokenizer: JSON.stringify(corpus.tokenizer.json),
  } as const;
}

/** A copy that threads share instead of each getting its own. */
function sharedCopy(tokens: Uint16Array): Uint16Array {
  const copy = new Uint16Array(new SharedArrayBuffer(tokens.byteLength));
  copy.set(tokens);
  return copy;
}
