import type { PartsOutcome } from "./part-writer.ts";
import type { CheckpointContent, CheckpointStore } from "./store.ts";

export interface CompletionOptions {
  readonly store: CheckpointStore;
  readonly keep: number;
  readonly numProcesses: number;
  /** All of a checkpoint after a step but the ranks' parts. */
  readonly describe: (step: number) => Omit<CheckpointContent, "files">;
  readonly onWritten: (step: number, folder: string) => void;
  /** A checkpoint was given up; those before it are as they were. */
  readonly onFailed: (step: number, error: Error) => void;
  /** Either of the two: the ranks may send the next. */
  readonly onDone: () => void;
}

/** Makes a checkpoint of the parts when all processes have written theirs; in process 0. */
export class CheckpointCompletion {
  readonly #options: CompletionOptions;
  readonly #outcomes = new Map<number, PartsOutcome[]>();
  #completing: Promise<void> = Promise.resolve();
  #onIdle: (() => void) | undefined;

  constructor(options: CompletionOptions) {
    this.#options = options;
  }

  add(step: number, outcome: PartsOutcome): void {
    const outcomes = this.#outcomes.get(step) ?? [];
    this.#outcomes.set(step, outcomes);
    outcomes.push(outcome);
    if (outcomes.length < this.#options.numProcesses) return;
    this.#completing = this.#completing.then(() => this.#complete(step, outcomes));
  }

  /** Resolves when every checkpoint of which there is a part is written or given up. */
  async finish(): Promise<void> {
    if (this.#outcomes.size > 0)
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
  }

  /** Resolves when nothing is being written, and removes parts of which others are missing, as in a run that has failed. */
  async stop(): Promise<void> {
    await this.#completing;
    for (const step of this.#outcomes.keys()) await this.#options.store.discard(step).catch(() => {});
    this.#outcomes.clear();
  }

  async #complete(step: number, outcomes: readonly PartsOutcome[]): Promise<void> {
    const { store, keep, describe, onWritten, onFailed, onDone } = this.#options;
    try {
      const files = outcomes.flatMap((outcome) => {
        if ("problem" in outcome) throw new Error(outcome.problem);
        return outcome.files;
      });
      files.sort((a, b) => (a.name < b.name ? -1 : 1));
      onWritten(step, await store.complete({ ...describe(step), files }, keep));
    } catch (error) {
      await store.discard(step).catch(() => {});
      onFailed(step, error as Error);
    }
    onDone();
    this.#outcomes.delete(step);
    if (this.#outcomes.size === 0) this.#onIdle?.();
  }
}
