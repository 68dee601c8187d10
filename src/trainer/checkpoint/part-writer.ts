/*
 * Writing a checkpoint takes far longer than copying it, and a rank that computes cannot do file operations in between.
 * So a rank only copies its tensors, into memory that it shares with the main thread of its process, and goes on; the
 * main thread writes the files of all of its ranks while they train.
 *
 * Two things follow. The files are written one after another, since the memory of the copies is one block per rank and
 * the disk is one disk. And each rank must not copy again before its file is on disk: `CheckpointRequests` holds it
 * back until process 0 has reported the checkpoint as written or given up, so at most one checkpoint is in memory.
 */
import { problemOf } from "../../errors/dualpipe-error.ts";
import type { CopiedTensor } from "./copy-buffer.ts";
import type { ManifestFile } from "./manifest.ts";
import type { CheckpointStore } from "./store.ts";

/** The files that a process wrote as its parts of a checkpoint, or why it could not. */
export type PartsOutcome = { readonly files: readonly ManifestFile[] } | { readonly problem: string };

export interface PartWriterOptions {
  readonly store: CheckpointStore;
  /** The number of ranks in this process. */
  readonly numRanks: number;
  readonly onWritten: (step: number, outcome: PartsOutcome) => void;
}

interface Part {
  readonly rank: number;
  readonly tensors: readonly CopiedTensor[];
}

/** Writes the checkpoint parts that the ranks of one process send. */
export class PartWriter {
  readonly #options: PartWriterOptions;
  readonly #parts = new Map<number, Part[]>();
  #writing: Promise<void> = Promise.resolve();

  constructor(options: PartWriterOptions) {
    this.#options = options;
  }

  /** Takes a rank's part; the last rank's starts the writing. */
  add(rank: number, step: number, tensors: readonly CopiedTensor[]): void {
    const parts = this.#parts.get(step) ?? [];
    this.#parts.set(step, parts);
    parts.push({ rank, tensors });
    if (parts.length < this.#options.numRanks) return;
    this.#parts.delete(step);
    this.#writing = this.#writing.then(() => this.#write(step, parts));
  }

  /** Resolves when nothing is being written any more. */
  async finish(): Promise<void> {
    await this.#writing;
  }

  async #write(step: number, parts: readonly Part[]): Promise<void> {
    const { store, onWritten } = this.#options;
    try {
      const files: ManifestFile[] = [];
      for (const { rank, tensors } of parts) files.push(await store.writePart(step, rank, tensors));
      onWritten(step, { files });
    } catch (error) {
      onWritten(step, { problem: problemOf(error) });
    }
  }
}
