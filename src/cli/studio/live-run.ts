import { hostname } from "node:os";
import { readEnvironment } from "../../errors/environment.ts";
import { chromeTrace } from "../../schedule/index.ts";
import type { RunInfo } from "../../studio/run/run-message.ts";
import { numStages, scheduleName, type TrainConfig } from "../../trainer/config/config.ts";
import type { RunListener, RunReport } from "../../trainer/report/listener.ts";
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

  constructor(config: TrainConfig) {
    const numRestarts = Number(readEnvironment().TORCHELASTIC_RESTART_COUNT ?? 0);
    const info = { ...runInfoOf(config), numRestarts, host: hostname(), process: process.pid };
    this.events.tell({ kind: "run", info });
  }

  take(report: RunReport): void {
    if (report.kind === "timeline")
      this.events.tell({ kind: "timeline", step: report.step, trace: chromeTrace(report.timeline) });
    else this.events.tell(report);
  }

  end(): void {
    this.events.tell({ kind: "end" });
  }
}
