/*
 * Everything that follows a run while it goes on, such as the progress line and the metrics file, is a listener: it
 * takes reports of what happened, all from one list, and knows neither the ranks nor the other listeners. So a new
 * place for metrics, or a page that draws the last step, is one file and one line where the listeners are put together.
 *
 * A listener runs in the main thread of process 0 and must not block: the ranks go on computing, but checkpoints and
 * requests wait behind it. Reports of one kind come in the order of their steps.
 *
 * A timeline is large and must be collected from all ranks, so it is reported only every `timelineEverySteps` steps of
 * the listeners that ask for it. In addition every run reports the timelines of its last steps when it ends, from which
 * the trace, the profile and the measured bubble are made.
 */
import type { Timeline } from "../../schedule/index.ts";
import type { ProcessHealth } from "./process-health.ts";

/** A step's numbers as rank 0 knows them. */
export interface StepMetrics {
  /** Counted from 1. */
  readonly step: number;
  /** Mean over the tokens of the batch, in nats. */
  readonly loss: number;
  readonly learningRate: number;
  /** Norm of the mean gradient over all parameters, before clipping. */
  readonly gradientNorm: number;
  /**
   * The share of all ranks' time, from the start of the step to the end of the last computation, without one; undefined
   * for a step that ran as a graph, whose computations have no times.
   */
  readonly bubble?: number | undefined;
  /**
   * How long messages from other cards were copied to a rank, in ms, the mean over the ranks; undefined where none are,
   * and for a step that ran as a graph.
   */
  readonly communicationMs?: number | undefined;
  /** The part of it in which the rank computed nothing. */
  readonly exposedCommunicationMs?: number | undefined;
  /** The most that tensors have taken so far, in bytes, on the device that had the most. */
  readonly peakBytes: number;
}

export interface ValidationMetrics {
  /** The steps done before it. */
  readonly step: number;
  /** Mean over the tokens, in nats. */
  readonly loss: number;
}

/**
 * How fast a run goes; `tokensPerSecond` and `secondsLeft` follow the last steps, so a slow start is soon forgotten.
 */
export interface Speed {
  /** Since the run began. */
  readonly elapsedSeconds: number;
  readonly tokensPerSecond: number;
  readonly secondsLeft: number;
  /**
   * Model FLOP/s utilization: the operations that forward and backward of the model need, recomputation not counted, as
   * a share of what the cards can do; undefined on the CPU and on cards whose peak is not known.
   */
  readonly mfu?: number | undefined;
}

/** What happened in a run. */
export type RunReport =
  | ({ readonly kind: "train" } & StepMetrics & Speed)
  | ({ readonly kind: "validation" } & ValidationMetrics & {
        /** The loss of a model that knows only how frequent each token is. */
        readonly unigramLoss: number;
        readonly elapsedSeconds: number;
      })
  /** The computations of a step, in the first replica. */
  | { readonly kind: "timeline"; readonly step: number; readonly timeline: Timeline }
  /** The most that tensors have taken so far on each rank, by rank; comes with steps whose timeline is wanted. */
  | { readonly kind: "memory"; readonly step: number; readonly peakBytes: readonly number[] }
  /** A process is alive: told every two seconds. */
  | ({
      readonly kind: "process";
      readonly process: number;
      readonly firstRank: number;
      readonly numRanks: number;
    } & ProcessHealth)
  /** The run failed; nothing follows. */
  | { readonly kind: "failed"; readonly problem: string }
  /** A checkpoint was written to `folder`. */
  | { readonly kind: "checkpoint"; readonly step: number; readonly folder: string }
  /** A checkpoint could not be written; the run goes on. */
  | { readonly kind: "checkpointFailed"; readonly step: number; readonly problem: string };

export interface RunListener {
  /** How often the listener wants a timeline, in steps; by default only those of the last steps. */
  readonly timelineEverySteps?: number | undefined;
  /** Called once before the first report, when all processes have joined. An error ends the run. */
  begin?(): void;
  /** An error ends the run: it is thrown by `train`. */
  take(report: RunReport): void;
  /** Called once after the last report, also of a run that failed. An error makes the run fail. */
  end?(): void;
}

/** The number of timelines that come at the end: enough for medians that a burst of another program does not move. */
export const NUM_LAST_TIMELINES = 20;
