import type { CopiedTensor } from "./copy-buffer.ts";
import type { ManifestFile } from "./manifest.ts";
import type { CheckpointStore } from "./store.ts";

/** What became of one process's parts of a checkpoint: its files, or why there are none. */
export type PartsOutcome = { readonly files: readonly ManifestFile[] } | { readonly problem: string };

export interface PartWriterOptions {
  readonly store: CheckpointStore;
  /** Ranks of this process. */
  readonly numRanks: number;
  readonly onWritten: (step: number, outcome: PartsOutcome) => void;
}

interface Part {
  readonly rank: number;
  readonly tensors: readonly CopiedTensor[];
}

/** Writes the parts that the ranks of one process send of a checkpoint, while these go on training. */
export class PartWriter {
  readonly #options: PartWriterOptions;
  readonly #parts = new Map<number, Part[]>();
  #writing: Promise<void> = Promise.resolve();

  constructor(options: PartWriterOptions) {
    this.#options = options;
  }

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
      onWritten(step, { problem: (error as Error).message });
    }
  }
}
