/*
 * A checkpoint is one thing made by many processes, any of which can fail to write its parts, write them late, or be
 * killed in between. It must never look whole when it is not, and a failure must cost this checkpoint only: the ones
 * before it stay, and training goes on.
 *
 * So process 0 alone makes a folder of parts into a checkpoint, and only after every process has reported the outcome
 * of its parts: files with sizes and checksums, or a problem. One problem gives up the whole checkpoint. Either way the
 * ranks are then released (`onDone`): they hold the next checkpoint back until this one is out of memory.
 *
 * Outcomes of different steps may arrive interleaved, so they are counted per step, and completions run one after
 * another. When the run ends, `finish` waits for steps that have some outcomes but not all, and `stop` throws away what
 * a failed run left.
 */
import { problemOf } from "../../errors/dualpipe-error.ts";
import type { ManifestFile } from "./manifest.ts";
import type { PartsOutcome } from "./part-writer.ts";
import type { CheckpointContent, CheckpointStore } from "./store.ts";

export interface CompletionOptions {
  readonly store: CheckpointStore;
  /** How many checkpoints to keep. */
  readonly keep: number;
  readonly numProcesses: number;
  /** The content of the checkpoint after a step, except the ranks' parts. */
  readonly describe: (step: number) => Omit<CheckpointContent, "files">;
  readonly onWritten: (step: number, folder: string) => void;
  /** A checkpoint was given up; those before it are unchanged. */
  readonly onFailed: (step: number, problem: string) => void;
  /** A checkpoint was written or given up: the ranks may send the next. */
  readonly onDone: () => void;
}

/** Completes checkpoints, in process 0: when all processes have written their parts. */
export class CheckpointCompletion {
  readonly #options: CompletionOptions;
  readonly #outcomes = new Map<number, PartsOutcome[]>();
  #completing: Promise<void> = Promise.resolve();
  #onIdle: (() => void) | undefined;

  constructor(options: CompletionOptions) {
    this.#options = options;
  }

  /** Takes the outcome of one process's parts. */
  add(step: number, outcome: PartsOutcome): void {
    const outcomes = this.#outcomes.get(step) ?? [];
    this.#outcomes.set(step, outcomes);
    outcomes.push(outcome);
    if (outcomes.length < this.#options.numProcesses) return;
    this.#completing = this.#completing.then(() => this.#complete(step, outcomes));
  }

  /** Resolves when every checkpoint that has a part is written or given up. */
  async finish(): Promise<void> {
    if (this.#outcomes.size > 0)
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
  }

  /** Resolves when nothing is being written any more; removes the parts of incomplete checkpoints. */
  async stop(): Promise<void> {
    await this.#completing;
    for (const step of this.#outcomes.keys()) await this.#options.store.discard(step).catch(() => {});
    this.#outcomes.clear();
  }

  async #complete(step: number, outcomes: readonly PartsOutcome[]): Promise<void> {
    const { store, onWritten, onFailed, onDone } = this.#options;
    const result = await this.#write(step, outcomes);
    if ("folder" in result) {
      onWritten(step, result.folder);
    } else {
      await store.discard(step).catch(() => {});
      onFailed(step, result.problem);
    }
    onDone();
    this.#outcomes.delete(step);
    if (this.#outcomes.size === 0) this.#onIdle?.();
  }

  async #write(
    step: number,
    outcomes: readonly PartsOutcome[],
  ): Promise<{ readonly folder: string } | { readonly problem: string }> {
    const { store, keep, describe } = this.#options;
    const files: ManifestFile[] = [];
    for (const outcome of outcomes) {
      if ("problem" in outcome) return outcome;
      files.push(...outcome.files);
    }
    files.sort((a, b) => (a.name < b.name ? -1 : 1));
    try {
      return { folder: await store.complete({ ...describe(step), files }, keep) };
    } catch (error) {
      return { problem: problemOf(error) };
    }
  }
}
