import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { readEnvironment } from "../../errors/environment.ts";
import { chromeTrace } from "../../schedule/index.ts";
import type { RunInfo } from "../../studio/run/run-message.ts";
import { numStages, scheduleName, type TrainConfig } from "../../trainer/config/config.ts";
import type { RunListener, RunReport } from "../../trainer/report/listener.ts";
import { METRICS_FILE } from "../../trainer/run-folder.ts";
import { messageOfLine } from "./metrics-line.ts";
import { RunEvents } from "./run-events.ts";

/** A timeline is collected from all ranks this often. */
const TIMELINE_EVERY_STEPS = 20;

/** What a page needs to know about a run before it starts. */
export function runInfoOf({ pipeline, training, output }: TrainConfig): RunInfo {
  const { schedule, ranks, replicas, microBatches } = pipeline;
  return {
    folder: output.dir,
    schedule: scheduleName(pipeline),
    numRanks: ranks,
    numReplicas: replicas,
    numMicroBatches: microBatches,
    numStages: numStages(pipeline),
    numSteps: training.steps,
    numRestarts: 0,
    ...(typeof schedule === "string" ? {} : { program: schedule.csv }),
  };
}

/** Tells pages about a run of this process while it goes on. */
export class LiveRun implements RunListener {
  readonly timelineEverySteps = TIMELINE_EVERY_STEPS;
  readonly events = new RunEvents();

  readonly #metricsPath: string;

  constructor(config: TrainConfig) {
    this.#metricsPath = join(config.output.dir, METRICS_FILE);
    const numRestarts = Number(readEnvironment().TORCHELASTIC_RESTART_COUNT ?? 0);
    const info = { ...runInfoOf(config), numRestarts, host: hostname(), process: process.pid };
    this.events.tell({ kind: "run", info });
  }

  /** Tells the steps before those that a resumed run does; the file of a new run is empty by now. */
  begin(): void {
    if (!existsSync(this.#metricsPath)) return;
    for (const line of readFileSync(this.#metricsPath, "utf8").split("\n")) {
      const message = messageOfLine(line);
      if (message !== undefined) this.events.tell(message);
    }
  }

  take(report: RunReport): void {
    if (report.kind === "timeline")
      this.events.tell({ kind: "timeline", step: report.step, trace: chromeTrace(report.timeline) });
    else if (report.kind === "train" || report.kind === "process")
      this.events.tell({ ...report, atMs: Date.now() });
    else this.events.tell(report);
  }

  end(): void {
    this.events.tell({ kind: "end" });
  }
}
