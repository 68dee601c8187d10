import { timelineOf } from "../../engine/recorder.ts";
import type { TrainConfig } from "../config/config.ts";
import type { RankReport } from "../rank/rank-report.ts";
import type { RunListener, RunReport } from "./listener.ts";
import type { Throughput } from "./throughput.ts";

export interface RunReportsOptions {
  readonly pipeline: TrainConfig["pipeline"];
  readonly unigramLoss: number;
  readonly throughput: Throughput;
  readonly listeners: readonly RunListener[];
}

/** Turns what the ranks report into what listeners are told. */
export class RunReports {
  readonly #options: RunReportsOptions;

  constructor(options: RunReportsOptions) {
    this.#options = options;
  }

  /** Takes a report of rank 0. */
  take(report: RankReport): void {
    const { pipeline, unigramLoss, throughput } = this.#options;
    switch (report.kind) {
      case "ready":
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
      case "timeline": {
        const { kind, step, tracks } = report;
        this.tell({
          kind,
          step,
          timeline: timelineOf(pipeline.schedule, pipeline.microBatches, tracks),
        });
        break;
      }
      default:
        report satisfies never;
    }
  }

  /** Tells all listeners. */
  tell(report: RunReport): void {
    for (const listener of this.#options.listeners) listener.take(report);
  }
}
