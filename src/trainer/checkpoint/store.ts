import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { syncFolder, writeFileAtomically } from "../../files/atomic-file.ts";
import { type TensorSource, writeSafetensors } from "../../files/safetensors.ts";
import { CheckpointError } from "./checkpoint-error.ts";
import { type Manifest, type ManifestFile, readManifest, TOKENIZER_FILE, writeManifest } from "./manifest.ts";

/** What makes the parts that the ranks have written a checkpoint. */
export interface CheckpointContent {
  readonly manifest: Omit<Manifest, "files">;
  /** Of the ranks' parts. */
  readonly files: readonly ManifestFile[];
  /** The content of `tokenizer.json`. */
  readonly tokenizer: string;
}

const COMPLETE = /^step-(\d+)$/;
const TEMPORARY = /^\..*\.tmp$/;

/** The checkpoints of a run: a folder with a folder for each. All processes of a run see the same. */
export class CheckpointStore {
  readonly folder: string;

  constructor(runFolder: string) {
    this.folder = join(runFolder, "checkpoints");
  }

  /** Writes and syncs one rank's part of a checkpoint that nobody sees yet. */
  async writePart(step: number, rank: number, tensors: readonly TensorSource[]): Promise<ManifestFile> {
    const folder = this.#draftOf(step);
    await mkdir(folder, { recursive: true });
    const name = `rank-${String(rank).padStart(5, "0")}.safetensors`;
    const hash = createHash("sha256");
    let bytes = 0;
    await writeSafetensors(join(folder, name), tensors, { format: "pt" }, (chunk) => {
      hash.update(chunk);
      bytes += chunk.byteLength;
    });
    return { name, bytes, sha256: hash.digest("hex") };
  }

  /**
   * Makes a checkpoint of parts that are all written, then deletes all but the newest `keep`.
   * @returns Its folder.
   */
  async complete({ manifest, files, tokenizer }: CheckpointContent, keep: number): Promise<string> {
    const draft = this.#draftOf(manifest.step);
    for (const file of files) await checkSize(draft, file, "output.dir must be the same folder on all hosts");
    await writeFileAtomically(join(draft, TOKENIZER_FILE), (file) => file.writeFile(tokenizer));
    const sha256 = createHash("sha256").update(tokenizer).digest("hex");
    const tokenizerFile = { name: TOKENIZER_FILE, bytes: Buffer.byteLength(tokenizer), sha256 };
    await writeManifest(draft, { ...manifest, files: [...files, tokenizerFile] });
    const folder = this.pathOf(nameOf(manifest.step));
    await rename(draft, folder);
    await syncFolder(this.folder);
    for (const old of (await this.names()).slice(keep)) await this.#remove(old);
    return folder;
  }

  /** Removes the parts of a checkpoint that does not become whole. */
  async discard(step: number): Promise<void> {
    await rm(this.#draftOf(step), { recursive: true, force: true });
  }

  /** The folder of a checkpoint. */
  pathOf(name: string): string {
    return join(this.folder, name);
  }

  /** The newest checkpoint whose files are all as they were written; `onDamaged` is told of newer ones that are not. */
  async latest(
    onDamaged: (name: string, error: Error) => void | Promise<void>,
  ): Promise<{ name: string; manifest: Manifest } | undefined> {
    for (const name of await this.names()) {
      try {
        return { name, manifest: await readCheckpoint(this.pathOf(name)) };
      } catch (error) {
        await onDamaged(name, error as Error);
      }
    }
    return undefined;
  }

  /** Of those that look complete, newest first. */
  async names(): Promise<string[]> {
    const entries = await this.#entries();
    return entries
      .filter((name) => COMPLETE.test(name))
      .sort((a, b) => Number(COMPLETE.exec(b)![1]) - Number(COMPLETE.exec(a)![1]));
  }

  /** Renames a damaged checkpoint, so that it is kept for whoever wants to look, and never taken or counted again. */
  async setAside(name: string): Promise<void> {
    const aside = this.pathOf(`damaged-${name}`);
    await rm(aside, { recursive: true, force: true });
    await rename(this.pathOf(name), aside);
  }

  /** Removes what writers that were killed have left. */
  async removeTemporary(): Promise<void> {
    for (const name of await this.#entries())
      if (TEMPORARY.test(name)) await rm(this.pathOf(name), { recursive: true, force: true });
  }

  #draftOf(step: number): string {
    return this.pathOf(`.${nameOf(step)}.tmp`);
  }

  /** Renamed first, so that it is never seen in half. */
  async #remove(name: string): Promise<void> {
    const temporary = this.pathOf(`.${name}.old.tmp`);
    await rename(this.pathOf(name), temporary);
    await rm(temporary, { recursive: true, force: true });
  }

  async #entries(): Promise<string[]> {
    try {
      return await readdir(this.folder);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
  }
}

/**
 * The manifest of a checkpoint, after every byte of its files was checked.
 * @throws CheckpointError
 */
export async function readCheckpoint(folder: string): Promise<Manifest> {
  const manifest = await readManifest(folder);
  for (const file of manifest.files) await checkFile(folder, file);
  return manifest;
}

async function checkFile(folder: string, file: ManifestFile): Promise<void> {
  await checkSize(folder, file);
  const path = join(folder, file.name);
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  if (hash.digest("hex") !== file.sha256)
    throw new CheckpointError("CHECKPOINT_DAMAGED", `${path} is not as it was written: its checksum differs`);
}

async function checkSize(folder: string, { name, bytes }: ManifestFile, remedy?: string): Promise<void> {
  const path = join(folder, name);
  const size = await stat(path).then(
    (stats) => stats.size,
    () => undefined,
  );
  const suffix = remedy === undefined ? "" : `; ${remedy}`;
  if (size === undefined) throw new CheckpointError("CHECKPOINT_DAMAGED", `${path} is missing${suffix}`);
  if (size !== bytes)
    throw new CheckpointError(
      "CHECKPOINT_DAMAGED",
      `${path} must have ${bytes} bytes as its manifest says; got ${size}${suffix}`,
    );
}

function nameOf(step: number): string {
  return `step-${String(step).padStart(6, "0")}`;
}
