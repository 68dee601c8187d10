import type { TensorEntry } from "../safetensors.ts";
import type { CheckpointRequests } from "./requests.ts";
import type { CheckpointContent, CheckpointStore } from "./store.ts";

export interface CheckpointWriterOptions {
  readonly store: CheckpointStore;
  readonly keep: number;
  readonly numRanks: number;
  readonly requests: CheckpointRequests;
  /** All of a checkpoint after a step but its tensors. */
  readonly describe: (step: number) => Omit<CheckpointContent, "parts">;
  readonly onWritten: (step: number, folder: string) => void;
  /** A checkpoint was given up; those before it are as they were. */
  readonly onFailed: (step: number, error: Error) => void;
}

/** Collects what the ranks send of a checkpoint and writes it while they go on training. */
export class CheckpointWriter {
  readonly #options: CheckpointWriterOptions;
  readonly #parts = new Map<number, (readonly TensorEntry[])[]>();
  #writing: Promise<void> = Promise.resolve();

  constructor(options: CheckpointWriterOptions) {
    this.#options = options;
  }

  add(rank: number, step: number, tensors: readonly TensorEntry[]): void {
    const parts = this.#parts.get(step) ?? [];
    this.#parts.set(step, parts);
    parts[rank] = tensors;
    if (Object.keys(parts).length < this.#options.numRanks) return;
    this.#parts.delete(step);
    this.#writing = this.#writing.then(() => this.#write(step, parts));
  }

  /** Resolves when nothing is being written any more. */
  async finish(): Promise<void> {
    await this.#writing;
  }

  async #write(step: number, parts: readonly (readonly TensorEntry[])[]): Promise<void> {
    const { store, keep, requests, describe, onWritten, onFailed } = this.#options;
    try {
      onWritten(step, await store.write({ ...describe(step), parts }, keep));
    } catch (error) {
      onFailed(step, error as Error);
    } finally {
      requests.written();
    }
  }
}
