import { timelineOf } from "../../engine/record/recorder.ts";
import { scheduleName, type TrainConfig } from "../config/config.ts";
import type { RankReport } from "../rank/rank-report.ts";
import type { RunListener, RunReport } from "./listener.ts";
import type { Throughput } from "./throughput.ts";

export interface RunReportsOptions {
  readonly pipeline: TrainConfig["pipeline"];
  readonly unigramLoss: number;
  readonly throughput: Throughput;
  readonly listeners: readonly RunListener[];
  /** A listener has thrown, so that the run must end; `failure` is what it has thrown. */
  readonly onFailed: () => void;
}

/** Turns what the ranks report into what listeners are told. */
export class RunReports {
  /** The first error that a listener has thrown. */
  failure: unknown;
  readonly #options: RunReportsOptions;
  /** The listeners that have begun and are not done. */
  readonly #open = new Set<RunListener>();

  constructor(options: RunReportsOptions) {
    this.#options = options;
  }

  /** Begins with all listeners. */
  begin(): void {
    for (const listener of this.#options.listeners) {
      this.#open.add(listener);
      listener.begin?.();
    }
  }

  /** Ends all listeners; keeps the first error as `failure`. */
  end(): void {
    for (const listener of this.#open) this.#guard(() => listener.end?.());
    this.#open.clear();
  }

  /** Takes a report of rank 0. */
  take(report: RankReport): void {
    const { pipeline, unigramLoss, throughput } = this.#options;
    switch (report.kind) {
      case "ready":
        throughput.peakFlops = report.peakFlops;
        throughput.resume();
        break;
      case "checkpoint":
        throughput.resume();
        break;
      case "train":
        this.tell({ ...report, ...throughput.stepDone() });
        break;
      case "validation":
        this.tell({ ...report, unigramLoss, elapsedSeconds: throughput.elapsedSeconds });
        throughput.resume();
        break;
      case "memory":
        this.tell(report);
        break;
      case "timeline": {
        const { kind, step, tracks } = report;
        this.tell({
          kind,
          step,
          timeline: timelineOf(scheduleName(pipeline), pipeline.microBatches, tracks),
        });
        break;
      }
      default:
        report satisfies never;
    }
  }

  /** Tells all listeners. */
  tell(report: RunReport): void {
    for (const listener of this.#open) this.#guard(() => listener.take(report));
  }

  /** Reports come from event handlers, in which an error would end the whole process. */
  #guard(call: () => void): void {
    try {
      call();
    } catch (error) {
      if (this.failure !== undefined) return;
      this.failure = error;
      this.#options.onFailed();
    }
  }
}
