/**
 * What the server tells the page about a run, one message after the other. A page that connects, or connects once more
 * after a lost connection, is told everything from the start, so it needs to remember nothing.
 */
export type RunMessage =
  /** The first message: the page forgets what it knew. */
  | { readonly kind: "run"; readonly info: RunInfo }
  | TrainMessage
  | {
      readonly kind: "validation";
      readonly step: number;
      readonly loss: Measured;
      readonly unigramLoss: Measured;
    }
  /** The computations of a step, as a Chrome trace. */
  | { readonly kind: "timeline"; readonly step: number; readonly trace: unknown }
  | { readonly kind: "checkpoint"; readonly step: number; readonly folder: string }
  | { readonly kind: "checkpointFailed"; readonly step: number; readonly problem: string }
  /** The most that tensors have taken on each rank, in bytes. */
  | { readonly kind: "memory"; readonly step: number; readonly peakBytes: readonly number[] }
  | ProcessMessage
  | { readonly kind: "failed"; readonly problem: string }
  /** The server's clock, at each connection: the times of other messages are on it. */
  | { readonly kind: "clock"; readonly nowMs: number }
  /** The run has ended, or failed: nothing follows. */
  | { readonly kind: "end" };

/** A number, or the name of what JSON has not, such as NaN. */
export type Measured = number | string;

/** A process is alive. */
export interface ProcessMessage {
  readonly kind: "process";
  readonly process: number;
  readonly host: string;
  readonly pid: number;
  readonly firstRank: number;
  readonly numRanks: number;
  readonly memoryBytes: number;
  /** When the server was told, on its clock. */
  readonly atMs: number;
}

export interface TrainMessage {
  readonly kind: "train";
  readonly step: number;
  readonly loss: Measured;
  readonly learningRate: Measured;
  readonly gradientNorm: Measured;
  /** Undefined for a step that ran as a graph. */
  readonly bubble?: Measured | undefined;
  /** Copies between cards, and the part in which nothing was computed; undefined where there are none. */
  readonly communicationMs?: Measured | undefined;
  readonly exposedCommunicationMs?: Measured | undefined;
  readonly peakBytes: Measured;
  readonly tokensPerSecond: Measured;
  readonly elapsedSeconds: Measured;
  readonly secondsLeft?: Measured | undefined;
  readonly mfu?: Measured | undefined;
  /** When the server was told, on its clock; undefined where it reads the run from its folder. */
  readonly atMs?: number | undefined;
}

export interface RunInfo {
  readonly folder: string;
  readonly schedule: string;
  readonly numRanks: number;
  readonly numReplicas: number;
  readonly numMicroBatches: number;
  readonly numStages: number;
  readonly numSteps: number;
  /** The program, where the schedule is a file. */
  readonly program?: string | undefined;
  /** How often a launcher has restarted the run. */
  readonly numRestarts: number;
  /** The name and the process of the host that writes the metrics; undefined for a run that is read from its folder. */
  readonly host?: string | undefined;
  readonly process?: number | undefined;
}
