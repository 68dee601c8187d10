/*
 * What the page knows of a run, from the messages of the server. The browser reconnects by itself when a connection is
 * lost; the server then tells everything once more, beginning with a `run` message, at which this forgets all it knew.
 * Messages can come faster than anyone reads, and a page on the host of the run takes its CPU time from the run, so the
 * signals change at most twice a second, and not at all while the page is hidden.
 */
import { signal } from "@preact/signals";
import { costOf, profileOf, readChromeTrace, type Timeline } from "../../schedule/index.ts";
import { DEFAULT_SETTINGS, type StepSettings } from "../view/settings.ts";
import type { Heard } from "./run-health.ts";
import type { Measured, RunInfo, RunMessage, TrainMessage } from "./run-message.ts";

export type Connection = "connecting" | "open" | "lost" | "ended";

/** The numbers of the steps so far, each as a column. */
export interface RunColumns {
  readonly step: readonly number[];
  readonly loss: readonly number[];
  readonly learningRate: readonly number[];
  readonly gradientNorm: readonly number[];
  readonly tokensPerSecond: readonly number[];
  readonly bubble: readonly number[];
}

export type ColumnName = keyof RunColumns;
const COLUMNS: readonly ColumnName[] = [
  "step",
  "loss",
  "learningRate",
  "gradientNorm",
  "tokensPerSecond",
  "bubble",
];

/** Something of note that happened in a run. */
export interface RunNote {
  readonly step: number;
  readonly text: string;
}

export interface MeasuredTimeline {
  readonly step: number;
  readonly timeline: Timeline;
}

const REFRESH_MS = 500;

const numberOf = (value: Measured | undefined) => Number(value ?? Number.NaN);

export class RunStore {
  readonly connection = signal<Connection>("connecting");
  readonly info = signal<RunInfo | undefined>(undefined);
  readonly last = signal<TrainMessage | undefined>(undefined);
  readonly columns = signal<RunColumns>(emptyColumns());
  readonly notes = signal<readonly RunNote[]>([]);
  /** Those that have told that they are alive, by number. */
  readonly processes = signal<readonly Heard[]>([]);
  /** The memory of each rank, once it was told. */
  readonly rankPeakBytes = signal<readonly number[] | undefined>(undefined);
  readonly lastStep = signal<{ readonly atMs: number } | undefined>(undefined);
  /** Why the run failed. */
  readonly failure = signal<string | undefined>(undefined);
  /** What the page's clock is ahead of the server's. */
  #aheadMs = 0;
  readonly timeline = signal<MeasuredTimeline | undefined>(undefined);
  #columns: Record<ColumnName, number[]> = emptyColumns();
  #last: TrainMessage | undefined;
  #notes: RunNote[] = [];
  #isStale = false;

  /** @param source Of the server's messages. */
  constructor(source: EventSource) {
    source.onopen = () => {
      this.connection.value = "open";
    };
    source.onmessage = ({ data }: MessageEvent<string>) => this.take(JSON.parse(data) as RunMessage);
    source.onerror = () => {
      if (this.connection.value !== "ended") this.connection.value = "lost";
      // The server ends the connection after the last message, and would only tell the same once more.
      else source.close();
    };
  }

  take(message: RunMessage): void {
    switch (message.kind) {
      case "run":
        this.#columns = emptyColumns();
        this.#notes = [];
        this.#last = undefined;
        this.timeline.value = undefined;
        this.processes.value = [];
        this.rankPeakBytes.value = undefined;
        this.lastStep.value = undefined;
        this.failure.value = undefined;
        this.info.value = message.info;
        this.connection.value = "open";
        break;
      case "train":
        // The steps before a restart were read from the folder, and have no time.
        if (this.#last?.atMs === undefined && message.atMs !== undefined && this.info.value!.numRestarts > 0)
          this.#note(message.step, `restart ${this.info.value!.numRestarts}: the run goes on from here`);
        this.#last = message;
        if (message.atMs !== undefined) this.lastStep.value = { atMs: message.atMs + this.#aheadMs };
        for (const name of COLUMNS) this.#columns[name].push(numberOf(message[name]));
        break;
      case "timeline":
        this.timeline.value = { step: message.step, timeline: readChromeTrace(message.trace) };
        break;
      case "validation":
        this.#note(
          message.step,
          `validation loss ${numberOf(message.loss).toFixed(3)} (unigram model ${numberOf(message.unigramLoss).toFixed(3)})`,
        );
        break;
      case "checkpoint":
        this.#note(message.step, `checkpoint ${message.folder}`);
        break;
      case "checkpointFailed":
        this.#note(message.step, `no checkpoint could be written: ${message.problem}`);
        break;
      case "memory":
        this.rankPeakBytes.value = message.peakBytes;
        break;
      case "process": {
        const heard = { message, atMs: message.atMs + this.#aheadMs };
        const others = this.processes.value.filter((other) => other.message.process !== message.process);
        this.processes.value = [...others, heard].sort((a, b) => a.message.process - b.message.process);
        break;
      }
      case "failed":
        this.failure.value = message.problem;
        break;
      case "clock":
        this.#aheadMs = Date.now() - message.nowMs;
        break;
      case "end":
        this.connection.value = "ended";
        break;
      default:
        message satisfies never;
    }
    this.#refresh();
  }

  #note(step: number, text: string): void {
    this.#notes.push({ step, text });
  }

  #show(): void {
    this.#isStale = false;
    this.columns.value = { ...this.#columns };
    this.last.value = this.#last;
    this.notes.value = [...this.#notes];
  }

  #refresh(): void {
    if (this.#isStale) return;
    this.#isStale = true;
    setTimeout(() => requestAnimationFrame(() => this.#show()), REFRESH_MS);
  }
}

function emptyColumns(): Record<ColumnName, number[]> {
  return { step: [], loss: [], learningRate: [], gradientNorm: [], tokensPerSecond: [], bubble: [] };
}

/** The plan of a run at the costs of a measured step. */
export function planOf(info: RunInfo, { timeline }: MeasuredTimeline): StepSettings {
  const { schedule, numRanks, numStages, numMicroBatches, program } = info;
  const shape = { schedule, numRanks, numStages, numMicroBatches, stepMs: 0, link: { latency: 0 } };
  const { F, I, W, B, pairShare } = costOf(profileOf([timeline], shape));
  const list = (values: unknown) =>
    (values as number[]).map((value) => Number(value.toPrecision(4))).join("/");
  const sum = (values: unknown) =>
    (values as number[]).reduce((total, value) => total + value, 0) / numStages;
  return {
    ...DEFAULT_SETTINGS,
    ...{ schedule, numRanks, numMicroBatches },
    stagesPerRank: Math.max(1, Math.floor(numStages / numRanks)),
    costs: {
      ...{ F: list(F), I: list(I), W: list(W) },
      FB: String(Number(((sum(F) + sum(B)) * (pairShare ?? 1)).toPrecision(4))),
    },
    ...(program === undefined ? {} : { program }),
  };
}
