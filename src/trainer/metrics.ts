import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/** Losses in nats a token; `tokensPerSecond` of the last steps; `elapsedSeconds` since the run began. */
export type MetricsRecord =
  | {
      readonly kind: "train";
      readonly step: number;
      readonly loss: number;
      readonly learningRate: number;
      readonly gradientNorm: number;
      readonly tokensPerSecond: number;
      readonly elapsedSeconds: number;
    }
  | {
      readonly kind: "validation";
      readonly step: number;
      readonly loss: number;
      readonly unigramLoss: number;
      readonly elapsedSeconds: number;
    };

/** Writes `metrics.jsonl`: one JSON object a line, on disk as soon as it is written, so that a crash loses none. */
export class MetricsWriter implements Disposable {
  readonly #descriptor: number;
  #open = true;

  /** @param resume keeps the lines that are there, for a run that goes on; otherwise the file starts empty. */
  constructor(path: string, { resume = false } = {}) {
    mkdirSync(dirname(path), { recursive: true });
    this.#descriptor = openSync(path, resume ? "a" : "w");
  }

  write(record: MetricsRecord): void {
    writeSync(this.#descriptor, `${JSON.stringify(record, nameNonFinite)}\n`);
  }

  [Symbol.dispose](): void {
    if (this.#open) {
      this.#open = false;
      closeSync(this.#descriptor);
    }
  }
}

/** JSON has no NaN, and its `null` would hide what the loss became. */
function nameNonFinite(_key: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}
