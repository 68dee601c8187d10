/*
 * Follows a run from the files in its folder, which may be finished or written by another process. Only three files are
 * read, by names that no request can change. Metrics grow by lines, so only what is new is read; a file that became
 * shorter is that of a run that has started over.
 */
import { closeSync, openSync, readFileSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { readTextFile } from "../../files/text-file.ts";
import type { RunInfo } from "../../studio/run/run-message.ts";
import { loadConfig, type TrainConfig } from "../../trainer/config/config.ts";
import { METRICS_FILE, TRACE_FILE } from "../../trainer/run-folder.ts";
import { CONFIG_FILE } from "../../trainer/saved-model.ts";
import { runInfoOf } from "./live-run.ts";
import { messageOfLine } from "./metrics-line.ts";
import { RunEvents } from "./run-events.ts";

const LOOK_MS = 1_000;

/** Tells pages about the run of a folder. */
export class RunInFolder {
  readonly events = new RunEvents();
  readonly #config: TrainConfig;
  readonly #info: RunInfo;
  readonly #metricsPath: string;
  readonly #tracePath: string;
  #numRead = 0;
  #rest = "";
  #traceTimeMs = 0;
  #lastStep = 0;
  #hasEnded = false;

  private constructor(folder: string, config: TrainConfig) {
    this.#config = config;
    this.#metricsPath = join(folder, METRICS_FILE);
    this.#tracePath = join(folder, TRACE_FILE);
    // The folder may have been moved since the run wrote its own name.
    this.#info = { ...runInfoOf(config), folder };
    this.events.tell({ kind: "run", info: this.#info });
    this.look();
    setInterval(() => this.look(), LOOK_MS).unref();
  }

  /** @throws FileError, ConfigError when the folder has no run */
  static async open(folder: string): Promise<RunInFolder> {
    const config = await loadConfig(join(folder, CONFIG_FILE));
    readTextFile("the metrics of the run", join(folder, METRICS_FILE));
    return new RunInFolder(folder, config);
  }

  /** Tells what is new in the files. */
  look(): void {
    for (const line of this.#newLines()) this.#tellLine(line);
    this.#lookAtTrace();
    if (this.#lastStep < this.#config.training.steps || this.#hasEnded) return;
    this.#hasEnded = true;
    this.events.tell({ kind: "end" });
  }

  #newLines(): string[] {
    const size = statSync(this.#metricsPath, { throwIfNoEntry: false })?.size ?? 0;
    if (size < this.#numRead) this.#startOver();
    if (size === this.#numRead) return [];
    const bytes = Buffer.alloc(size - this.#numRead);
    const file = openSync(this.#metricsPath, "r");
    try {
      this.#numRead += readSync(file, bytes, 0, bytes.length, this.#numRead);
    } finally {
      closeSync(file);
    }
    const lines = (this.#rest + bytes.toString("utf8")).split("\n");
    this.#rest = lines.pop()!;
    return lines;
  }

  #startOver(): void {
    this.#numRead = 0;
    this.#rest = "";
    this.#lastStep = 0;
    this.#hasEnded = false;
    this.events.tell({ kind: "run", info: this.#info });
  }

  #tellLine(line: string): void {
    const message = messageOfLine(line);
    if (message === undefined) return;
    if (message.kind === "train") this.#lastStep = message.step;
    this.events.tell(message);
  }

  #lookAtTrace(): void {
    const changedMs = statSync(this.#tracePath, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    if (changedMs === this.#traceTimeMs) return;
    this.#traceTimeMs = changedMs;
    try {
      const trace: unknown = JSON.parse(readFileSync(this.#tracePath, "utf8"));
      this.events.tell({ kind: "timeline", step: this.#lastStep, trace });
    } catch {
      // Another program's file, or one that is gone again: the page then has no timeline.
    }
  }
}
