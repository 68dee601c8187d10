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

/**
 * Writes `metrics.jsonl`: one JSON object a line, on disk as soon as it is written, so that a crash loses none. What a
 * full disk does not take is kept and written when there is space again.
 */
export class MetricsWriter implements Disposable {
  readonly #descriptor: number;
  #open = true;
  #unwritten = Buffer.alloc(0);

  /** @param resume keeps the lines that are there, for a run that goes on; otherwise the file starts empty. */
  constructor(path: string, { resume = false } = {}) {
    mkdirSync(dirname(path), { recursive: true });
    this.#descriptor = openSync(path, resume ? "a" : "w");
  }

  write(record: MetricsRecord): void {
    const line = Buffer.from(`${JSON.stringify(record, nameNonFinite)}\n`);
    this.#unwritten = Buffer.concat([this.#unwritten, line]);
    try {
      this.#flush();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    }
  }

  #flush(): void {
    while (this.#unwritten.length > 0)
      this.#unwritten = this.#unwritten.subarray(writeSync(this.#descriptor, this.#unwritten));
  }

  /** @throws the file system's error when lines are left that the disk did not take. */
  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    try {
      this.#flush();
    } finally {
      closeSync(this.#descriptor);
    }
  }
}

/** JSON has no NaN, and its `null` would hide what the loss became. */
function nameNonFinite(_key: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}
