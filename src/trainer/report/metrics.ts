import { closeSync, openSync, writeSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { writeFileAtomically } from "../../files/atomic-file.ts";
import { fileErrorOf } from "../../files/file-error.ts";
import type { RunListener, RunReport, Speed, StepMetrics } from "./listener.ts";

/** A line of `metrics.jsonl`. */
export type MetricsRecord =
  | ({ readonly kind: "train" } & StepMetrics & Omit<Speed, "secondsLeft">)
  | Extract<RunReport, { kind: "validation" }>;

/**
 * Writes `metrics.jsonl`: one JSON object per line, written as soon as the step ends, so that a crash loses none. Lines
 * that cannot be written, such as to a full disk, are kept and written once it is possible.
 */
export class MetricsWriter implements RunListener {
  readonly #path: string;
  readonly #isResumed: boolean;
  #descriptor: number | undefined;
  #unwritten = Buffer.alloc(0);

  /** @param resume Keeps the lines of a run that is resumed; otherwise the file starts empty. */
  constructor(path: string, { resume = false } = {}) {
    this.#path = path;
    this.#isResumed = resume;
  }

  /** Opens the file. @throws FileError */
  begin(): void {
    try {
      this.#descriptor = openSync(this.#path, this.#isResumed ? "a" : "w");
    } catch (error) {
      throw fileErrorOf(`${this.#path} cannot be written`, error);
    }
  }

  take(report: RunReport): void {
    if (report.kind === "validation") this.write(report);
    if (report.kind !== "train") return;
    const { secondsLeft: _, elapsedSeconds, ...record } = report;
    this.write({ ...record, elapsedSeconds });
  }

  write(record: MetricsRecord): void {
    const line = Buffer.from(`${JSON.stringify(record, nameNonFinite)}\n`);
    this.#unwritten = Buffer.concat([this.#unwritten, line]);
    try {
      this.#flush();
    } catch {
      // The lines are kept; when the run ends they are written, or their loss is an error.
    }
  }

  #flush(): void {
    while (this.#descriptor !== undefined && this.#unwritten.length > 0)
      this.#unwritten = this.#unwritten.subarray(writeSync(this.#descriptor, this.#unwritten));
  }

  /** Closes the file. @throws FileError when lines are left that cannot be written, as to a full disk. */
  end(): void {
    if (this.#descriptor === undefined) return;
    try {
      this.#flush();
    } catch (error) {
      throw fileErrorOf(`the last lines of ${this.#path} cannot be written`, error);
    } finally {
      closeSync(this.#descriptor);
      this.#descriptor = undefined;
    }
  }
}

/** Writes NaN and infinities as text: JSON has none, and its `null` would hide what the loss became. */
function nameNonFinite(_key: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}

/**
 * Removes the lines that a run resumed after `step` writes again: those of later steps, the validation after `step`,
 * and what a killed writer left of a line.
 */
export async function cutMetrics(path: string, step: number): Promise<void> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  const kept = text.split("\n").filter((line) => isBefore(line, step));
  await writeFileAtomically(path, (file) => file.writeFile(kept.map((line) => `${line}\n`).join("")));
}

function isBefore(line: string, step: number): boolean {
  try {
    const record = JSON.parse(line) as { kind: string; step: number };
    return record.kind === "train" ? record.step <= step : record.step < step;
  } catch {
    return false;
  }
}
