/*
 * A run's folder, `output.dir`, holds hours of work, and the default name is the same for every run. So a new run does
 * not take a folder in which there is something: it says what is there, and what to do. And nothing in the folder
 * changes before it is certain that the run starts, which is after the data were read and all processes have joined:
 * with `--overwrite` and a rendezvous that fails, the earlier run must still be there.
 *
 * From then until its end the run has the folder alone (run-lock.ts).
 *
 * `--overwrite` replaces the files of an earlier run, and only those. Files that are not a run's are never removed.
 */
import { existsSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { removeTemporaryFiles, writeFileAtomically } from "../files/atomic-file.ts";
import { makeFolder } from "../files/folder.ts";
import { checkFolder, RunFolderError } from "./check-folder.ts";
import { TOKENIZER_FILE } from "./checkpoint/manifest.ts";
import { CheckpointStore } from "./checkpoint/store.ts";
import { formatConfig, type TrainConfig } from "./config/config.ts";
import { cutMetrics } from "./report/metrics.ts";
import { RunLock } from "./run-lock.ts";
import { CONFIG_FILE, WEIGHTS_FILE } from "./saved-model.ts";

/** What a run makes of an earlier run in its folder. */
export type ExistingRun = "refuse" | "resume" | "overwrite";

export const METRICS_FILE = "metrics.jsonl";
export const TRACE_FILE = "trace.json";

/** The folder of a run, and the paths of what is written there. */
export class RunFolder implements Disposable {
  readonly path: string;
  readonly configPath: string;
  readonly metricsPath: string;
  readonly tracePath: string;
  readonly store: CheckpointStore;
  readonly #existingRun: ExistingRun;
  #lock: RunLock | undefined;
  #wasOfRun = false;

  constructor(path: string, existingRun: ExistingRun) {
    this.path = path;
    this.configPath = join(path, CONFIG_FILE);
    this.metricsPath = join(path, METRICS_FILE);
    this.tracePath = join(path, TRACE_FILE);
    this.store = new CheckpointStore(path);
    this.#existingRun = existingRun;
  }

  /**
   * Checks that the run may use the folder, and changes nothing in it. A folder that exists is the run's from now on,
   * so that what is found in it stays true.
   * @param print Called with a line before it waits to see whether another host's run is alive.
   * @throws FolderError, RunFolderError
   */
  async check(print: (text: string) => void): Promise<void> {
    await checkFolder("output.dir", this.path);
    if (!existsSync(this.path)) return;
    // A run that was killed at its very start has left nothing else that only a run has.
    this.#wasOfRun = RunLock.isIn(this.path);
    this.#lock = await RunLock.take(this.path, { onWait: print });
    await this.#checkContent();
  }

  async #checkContent(): Promise<void> {
    const names = await this.#names();
    if (names.length === 0) return;
    const own = names.filter((name) => this.#ownNames.includes(name));
    const isRun = this.#wasOfRun || this.#marksOfRun.some((mark) => own.includes(mark));
    if (this.#existingRun === "refuse") throw this.#occupied(isRun ? own : names, isRun);
    if (own.length > 0 && !isRun) throw this.#occupied(own, false);
    if (this.#existingRun === "resume" && own.includes(WEIGHTS_FILE) && !own.includes(this.#checkpoints))
      throw new RunFolderError(
        "NOTHING_TO_RESUME",
        `--resume continues from a checkpoint; ${this.path} has the weights of a run that is done, and no checkpoint; ` +
          "replace the run with --overwrite, or set another output.dir",
      );
  }

  /**
   * Makes the folder the run's: removes what a killed or an overwritten run left, and writes the configuration.
   * @param step The steps that were done before; the metrics of later steps are removed.
   */
  async claim(config: TrainConfig, step: number): Promise<void> {
    if (this.#lock === undefined) {
      await makeFolder(this.path);
      this.#lock = await RunLock.take(this.path);
      // Another run may have come and gone since the check.
      await this.#checkContent();
    }
    await removeTemporaryFiles(this.path);
    await this.store.removeTemporary();
    if (this.#existingRun === "overwrite")
      for (const name of this.#ownNames) await rm(join(this.path, name), { recursive: true, force: true });
    await writeFileAtomically(this.configPath, (file) => file.writeFile(formatConfig(config)));
    if (this.#existingRun === "resume") await cutMetrics(this.metricsPath, step);
  }

  /** Aborted when another run has taken the folder over; the reason is a RunFolderError. */
  get lost(): AbortSignal | undefined {
    return this.#lock?.lost;
  }

  /** Gives the folder free for other runs. */
  [Symbol.dispose](): void {
    this.#lock?.[Symbol.dispose]();
  }

  get #checkpoints(): string {
    return basename(this.store.folder);
  }

  /** Everything that a run may have written. */
  get #ownNames(): readonly string[] {
    return [CONFIG_FILE, METRICS_FILE, TRACE_FILE, WEIGHTS_FILE, TOKENIZER_FILE, this.#checkpoints];
  }

  /** What only a run has; a `config.yaml` and weights may be anyone's. */
  get #marksOfRun(): readonly string[] {
    return [METRICS_FILE, this.#checkpoints];
  }

  /** What is in the folder; an empty folder for checkpoints, which may be a disk of its own, is nothing. */
  async #names(): Promise<readonly string[]> {
    const names = await namesIn(this.path);
    const isWithout = names.includes(this.#checkpoints) && (await namesIn(this.store.folder)).length === 0;
    return isWithout ? names.filter((name) => name !== this.#checkpoints) : names;
  }

  #occupied(names: readonly string[], isRun: boolean): RunFolderError {
    const shown = names.slice(0, 3).join(", ") + (names.length > 3 ? ` and ${names.length - 3} more` : "");
    const canOverwrite = !names.some((name) => this.#ownNames.includes(name));
    const problem = isRun
      ? `output.dir must not have an earlier run; ${this.path} has one (${shown}); continue it with --resume, replace it with --overwrite, or set another output.dir`
      : `output.dir must be empty or new, as a run would mix with or overwrite what is there; ${this.path} has ${shown}, not of a run; set another output.dir` +
        (canOverwrite ? ", or write next to them with --overwrite" : "");
    return new RunFolderError("OUTPUT_EXISTS", problem);
  }
}

/** What is in a folder, without hidden files and what a new file system has; nothing if there is no such folder. */
async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    const names = await readdir(folder);
    return names.filter((name) => !name.startsWith(".") && name !== "lost+found").sort();
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(String((error as NodeJS.ErrnoException).code))) return [];
    throw error;
  }
}
