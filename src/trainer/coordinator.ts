/*
 * Process 0 of a training run, which may be the only one.
 *
 * The threads of the ranks compute and never wait for JavaScript; the main thread does everything else. Of a run with
 * several processes exactly one main thread decides, so that nothing has to be agreed upon: it has the data and the
 * checkpoint to resume from, shows progress, writes the metrics, and makes a checkpoint out of the parts that all
 * processes have written. The others (participant.ts) run their ranks and write their own parts.
 *
 * Three things flow: reports from rank 0 to the listeners, parts of checkpoints from all ranks to the disk and then to
 * the completion, and requests for a checkpoint, from a signal in any process, through memory that rank 0 looks into
 * after each step. When the ranks are done the parts may not be: the run ends when every checkpoint that has a part is
 * complete or given up, or when a process that still owes one disconnects.
 */
import { DualPipeError, problemOf } from "../errors/dualpipe-error.ts";
import type { ConnectedProcesses } from "../launch/connected-processes.ts";
import type { ProcessPlacement } from "../launch/process-placement.ts";
import type { RankError } from "../launch/rank-error.ts";
import { familyOf } from "../models/families.ts";
import { CheckpointCompletion } from "./checkpoint/completion.ts";
import { PartWriter } from "./checkpoint/part-writer.ts";
import type { CheckpointRequests } from "./checkpoint/requests.ts";
import type { ResumePoint } from "./checkpoint/resume.ts";
import { type CheckpointContent, partsOf } from "./checkpoint/store.ts";
import { batchShapeOf, modelContextOf, numRanks, type TrainConfig } from "./config/config.ts";
import type { Corpus } from "./data/corpus.ts";
import { isProcessMessage, type ProcessMessage } from "./process-messages.ts";
import type { RankResult, SharedData } from "./rank/rank-data.ts";
import type { RankReport } from "./rank/rank-report.ts";
import { trainOnRanks } from "./rank/rank-threads.ts";
import { connectForRun } from "./rendezvous.ts";
import type { RunListener } from "./report/listener.ts";
import { type ProcessHealth, tellHealth } from "./report/process-health.ts";
import { RunReports } from "./report/run-reports.ts";
import { Throughput } from "./report/throughput.ts";
import type { RunFolder } from "./run-folder.ts";

/** A run whose data, and checkpoint to resume from, were found. */
export interface PreparedRun {
  readonly config: TrainConfig;
  readonly signal: AbortSignal | undefined;
  /** The place of this process, process 0, in a run of several. */
  readonly processes: ProcessPlacement | undefined;
  readonly requests: CheckpointRequests;
  readonly corpus: Corpus;
  readonly tokensSha256: string;
  readonly folder: RunFolder;
  readonly point: ResumePoint | undefined;
  readonly listeners: readonly RunListener[];
  /** Saves the final weights; called before the other processes are told that the run went well. */
  readonly save: (results: readonly RankResult[]) => Promise<void>;
}

/** The run ended early because it was asked to, after the checkpoint that it was asked for. */
export class TrainingStopped extends DualPipeError<"TRAINING_STOPPED"> {
  override readonly name = "TrainingStopped";

  /** @param folder The newest checkpoint. */
  constructor(step: number, folder: string | undefined) {
    const remedy =
      folder === undefined
        ? "no checkpoint could be written"
        : `the newest checkpoint is ${folder}; go on with --resume`;
    super("TRAINING_STOPPED", `stopped after step ${step}: ${remedy}`);
  }
}

/**
 * Runs a training run from its first step to its last.
 * @returns The results of all ranks, by rank.
 * @throws RankError, LaunchError; TrainingStopped when the run was asked to end early.
 */
export async function coordinate(run: PreparedRun): Promise<readonly RankResult[]> {
  const { config, signal } = run;
  const processes = run.processes && (await connectForRun(config, run.processes, signal));
  const coordinator = new Coordinator(run, processes);
  let well = false;
  try {
    const results = await coordinator.run();
    const { step } = results[0]!;
    const isDone = step === config.training.steps;
    if (isDone) await run.save(results);
    coordinator.end();
    well = true;
    if (!isDone) throw new TrainingStopped(step, coordinator.newest);
    return results;
  } finally {
    coordinator.endQuietly();
    await processes?.leave({ well });
  }
}

class Coordinator {
  /** The folder of the newest checkpoint. */
  newest: string | undefined;
  readonly #run: PreparedRun;
  readonly #processes: ConnectedProcesses | undefined;
  readonly #reports: RunReports;
  readonly #completion: CheckpointCompletion;
  readonly #parts: PartWriter;
  readonly #listenerFailed = new AbortController();

  constructor(run: PreparedRun, processes: ConnectedProcesses | undefined) {
    const { config, point, listeners } = run;
    const { store } = run.folder;
    const { training, pipeline, checkpoint } = config;
    this.newest = point && store.pathOf(point.name);
    this.#run = run;
    this.#processes = processes;
    this.#reports = new RunReports({
      pipeline,
      unigramLoss: run.corpus.unigramLoss,
      throughput: new Throughput({
        numSteps: training.steps,
        tokensPerStep: batchShapeOf(config).numTokens,
        firstStep: point?.manifest.step ?? 0,
        flopsPerToken: familyOf(config.model).flopsPerToken(config.model, modelContextOf(config)),
      }),
      listeners,
      onFailed: () => this.#listenerFailed.abort(),
    });
    this.#completion = new CheckpointCompletion({
      store,
      keep: checkpoint.keep,
      numProcesses: processes?.layout.numProcesses ?? 1,
      describe: (step) => describeCheckpoint(run, step),
      onWritten: (step, folder) => {
        this.newest = folder;
        this.#reports.tell({ kind: "checkpoint", step, folder });
      },
      onFailed: (step, problem) => this.#reports.tell({ kind: "checkpointFailed", step, problem }),
      onDone: () => {
        run.requests.written();
        processes?.send("others", { kind: "checkpointDone" } satisfies ProcessMessage);
      },
    });
    this.#parts = new PartWriter({
      store,
      numRanks: processes?.layout.ranksPerProcess ?? numRanks(pipeline),
      onWritten: (step, outcome) => this.#completion.add(step, outcome),
    });
    processes?.onMessage(isProcessMessage, (from, message) => this.#hear(from, message));
  }

  async run(): Promise<readonly RankResult[]> {
    const { config, folder, point, requests } = this.#run;
    await folder.claim(config, point?.manifest.step ?? 0);
    this.#reports.begin();
    using _health = tellHealth((health) => this.#tellHealth(0, health));
    const processes = this.#processes;
    const signal = AbortSignal.any(
      [this.#listenerFailed.signal, folder.lost ?? [], this.#run.signal ?? []].flat(),
    );
    const data = { config, requests: requests.memory, layout: processes?.layout, shared: this.#sharedData() };
    try {
      const results = await trainOnRanks(data, {
        processes,
        signal,
        onReport: (rank, report) => this.#take(rank, report),
      });
      await this.#parts.finish();
      await Promise.race([this.#completion.finish(), ...(processes ? [disconnectOf(processes)] : [])]);
      return results;
    } catch (error) {
      const cause = this.#reports.failure ?? (folder.lost?.aborted ? folder.lost.reason : error);
      this.#reports.tell({ kind: "failed", problem: problemOf(cause) });
      throw cause;
    } finally {
      requests.isOpen = false;
      await this.#parts.finish();
      await this.#completion.stop();
    }
  }

  /** Ends the listeners. @throws What one of them has thrown. */
  end(): void {
    this.endQuietly();
    if (this.#reports.failure !== undefined) throw this.#reports.failure;
  }

  /** Ends the listeners of a run that fails for another reason. */
  endQuietly(): void {
    this.#reports.end();
  }

  #take(rank: number, report: RankReport): void {
    if (report.kind === "ready") this.#run.requests.isOpen = true;
    if (report.kind === "checkpoint") this.#parts.add(rank, report.step, report.tensors);
    if (rank === 0) this.#reports.take(report);
  }

  /** Takes a message of another process. */
  #hear(from: number, message: ProcessMessage): void {
    switch (message.kind) {
      case "parts":
        this.#completion.add(message.step, message.outcome);
        break;
      case "request":
        this.#run.requests.request(message.request);
        break;
      case "health": {
        const { kind: _, ...health } = message;
        this.#tellHealth(from, health);
        break;
      }
      case "checkpointDone":
        break;
      default:
        message satisfies never;
    }
  }

  #tellHealth(process: number, health: ProcessHealth): void {
    const ranksPerProcess = this.#processes?.layout.ranksPerProcess ?? numRanks(this.#run.config.pipeline);
    const ranks = { firstRank: process * ranksPerProcess, numRanks: ranksPerProcess };
    this.#reports.tell({ kind: "process", process, ...ranks, ...health });
  }

  #sharedData(): SharedData {
    const { config, corpus, folder, point, listeners } = this.#run;
    return {
      config,
      train: sharedCopy(corpus.train),
      validation: sharedCopy(corpus.validation),
      timelineIntervals: listeners.flatMap(({ timelineEverySteps }) => timelineEverySteps ?? []),
      resume: point && {
        files: partsOf(folder.store.pathOf(point.name), point.manifest),
        step: point.manifest.step,
        isSameLayout: point.isSameLayout,
      },
    };
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

/** The content of a checkpoint, except the parts of the ranks. */
function describeCheckpoint(
  { config, corpus, tokensSha256 }: PreparedRun,
  step: number,
): Omit<CheckpointContent, "files"> {
  const data = { sequences: step * batchShapeOf(config).numSequences, tokensSha256 };
  return {
    manifest: { format: "dualpipe-checkpoint", version: 1, step, data, config },
    tokenizer: JSON.stringify(corpus.tokenizer.json),
  };
}

/** A copy that threads share, instead of each thread getting its own. */
function sharedCopy(tokens: Uint16Array): Uint16Array {
  const copy = new Uint16Array(new SharedArrayBuffer(tokens.byteLength));
  copy.set(tokens);
  return copy;
}
