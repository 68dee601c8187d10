import type { Timeline } from "../../schedule/index.ts";
import { NUM_LAST_TIMELINES, type RunListener, type RunReport } from "./listener.ts";

/** Keeps what a run's summary is made of: the last validation loss and the timelines of the last steps. */
export class LastResults implements RunListener {
  /** Undefined without a validation. */
  validationLoss: number | undefined;
  readonly #timelines = new Map<number, Timeline>();

  take(report: RunReport): void {
    if (report.kind === "validation") this.validationLoss = report.loss;
    if (report.kind !== "timeline") return;
    this.#timelines.set(report.step, report.timeline);
    if (this.#timelines.size > NUM_LAST_TIMELINES)
      this.#timelines.delete(Math.min(...this.#timelines.keys()));
  }

  /** The timelines of the last steps, oldest first. */
  get timelines(): readonly Timeline[] {
    return [...this.#timelines].sort(([a], [b]) => a - b).map(([, timeline]) => timeline);
  }
}
