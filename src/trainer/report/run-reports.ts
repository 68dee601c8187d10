import type { PartWriter } from "../checkpoint/part-writer.ts";
import type { CheckpointRequests } from "../checkpoint/requests.ts";
import type { TrainReport } from "../rank/rank-program.ts";
import type { MetricsWriter } from "./metrics.ts";
import type { Progress } from "./progress.ts";
import type { Throughput } from "./throughput.ts";

interface ReportTargets {
  readonly metrics: MetricsWriter;
  readonly progress: Progress;
  readonly throughput: Throughput;
  readonly requests: CheckpointRequests;
  readonly parts: PartWriter;
  readonly corpus: { readonly unigramLoss: number };
}

/** Takes what the ranks of a run report to where it belongs. */
export class RunReports {
  readonly #targets: ReportTargets;
  /** The last one. */
  validationLoss = Number.NaN;

  constructor(targets: ReportTargets) {
    this.#targets = targets;
  }

  take(rank: number, report: TrainReport): void {
    const { metrics, progress, throughput, requests, parts } = this.#targets;
    switch (report.kind) {
      case "ready":
        requests.isOpen = true;
        throughput.resume();
        break;
      case "step": {
        const speed = throughput.stepDone();
        const { elapsedSeconds, tokensPerSecond } = speed;
        metrics.write({ ...report, kind: "train", tokensPerSecond, elapsedSeconds });
        progress.update({ ...report, ...speed });
        break;
      }
      case "validation":
        this.#takeValidation(report);
        break;
      case "checkpoint":
        parts.add(rank, report.step, report.tensors);
        if (rank === 0) throughput.resume();
        break;
      default:
        report satisfies never;
    }
  }

  #takeValidation({ step, loss }: { readonly step: number; readonly loss: number }): void {
    const { metrics, progress, throughput, corpus } = this.#targets;
    const { unigramLoss } = corpus;
    const { elapsedSeconds } = throughput;
    this.validationLoss = loss;
    metrics.write({ kind: "validation", step, loss, unigramLoss, elapsedSeconds });
    progress.print(
      `step ${step}: validation loss ${loss.toFixed(3)} (unigram model ${unigramLoss.toFixed(3)})`,
    );
    throughput.resume();
  }
}
