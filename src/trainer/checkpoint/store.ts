/*
 * The checkpoints of a run are folders, `checkpoints/step-000120`. A process can be killed, or the power can fail, at
 * any moment, and a reader must still never take half a checkpoint for a whole one, nor lose the last good one.
 *
 * A folder cannot be written atomically, but it can be renamed atomically. So a checkpoint grows in a folder with a
 * temporary name, which readers do not look at: every rank's part, the tokenizer, then the manifest with the size and
 * SHA-256 of each file. Each file, and then the folder, is synced to disk; then the folder gets its name. Old
 * checkpoints go the same way backward: renamed to a temporary name first, deleted afterwards. Hence a folder with the
 * name of a checkpoint is complete, up to what disks do to bytes later; against that a reader checks every checksum,
 * and falls back to the next older checkpoint. Whatever has a temporary name when a run starts is garbage.
 *
 * All processes of a run write into the same folder, so `output.dir` must be one folder on all hosts. Process 0 checks
 * that by the sizes of the parts it can see.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { syncFolder, writeFileAtomically } from "../../files/atomic-file.ts";
import { fileErrorOf } from "../../files/file-error.ts";
import { areFinite } from "../../files/finite.ts";
import { makeFolder } from "../../files/folder.ts";
import {
  readSafetensors,
  readSafetensorsHeader,
  type TensorSource,
  writeSafetensors,
} from "../../files/safetensors.ts";
import { CheckpointError } from "./checkpoint-error.ts";
import { type Manifest, type ManifestFile, readManifest, TOKENIZER_FILE, writeManifest } from "./manifest.ts";
import { isBuffer } from "./tensor-names.ts";

/** What completes a checkpoint whose parts the ranks have written. */
export interface CheckpointContent {
  readonly manifest: Omit<Manifest, "files">;
  /** The ranks' parts. */
  readonly files: readonly ManifestFile[];
  /** The content of `tokenizer.json`. */
  readonly tokenizer: string;
}

const COMPLETE = /^step-(\d+)$/;
const TEMPORARY = /^\..*\.tmp$/;

/** The checkpoints of a run. */
export class CheckpointStore {
  readonly folder: string;

  constructor(runFolder: string) {
    this.folder = join(runFolder, "checkpoints");
  }

  /** Writes and syncs one rank's part of a checkpoint that is not complete yet. */
  async writePart(step: number, rank: number, tensors: readonly TensorSource[]): Promise<ManifestFile> {
    const folder = this.#draftOf(step);
    await makeFolder(folder);
    const name = `rank-${String(rank).padStart(5, "0")}.safetensors`;
    const hash = createHash("sha256");
    let bytes = 0;
    await writeSafetensors(join(folder, name), tensors, { format: "pt" }, (piece) => {
      hash.update(piece);
      bytes += piece.byteLength;
    });
    return { name, bytes, sha256: hash.digest("hex") };
  }

  /**
   * Completes a checkpoint whose parts are all written, then deletes all but the newest `keep` checkpoints.
   * @returns The checkpoint's folder.
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

  /** Removes the parts of a checkpoint that will not be completed. */
  async discard(step: number): Promise<void> {
    await rm(this.#draftOf(step), { recursive: true, force: true });
  }

  /** The folder of a checkpoint. */
  pathOf(name: string): string {
    return join(this.folder, name);
  }

  /** Finds the newest checkpoint that is undamaged. @param onDamaged Called for each newer one that is damaged. */
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

  /** The names of all checkpoints, newest first. They are complete, but may be damaged. */
  async names(): Promise<string[]> {
    const entries = await this.#entries();
    return entries
      .filter((name) => COMPLETE.test(name))
      .sort((a, b) => Number(COMPLETE.exec(b)![1]) - Number(COMPLETE.exec(a)![1]));
  }

  /** Renames a damaged checkpoint: it is kept for inspection, but no longer used or counted. */
  async setAside(name: string): Promise<void> {
    const aside = this.pathOf(`damaged-${name}`);
    await rm(aside, { recursive: true, force: true });
    await rename(this.pathOf(name), aside);
  }

  /** Removes what killed writers have left. */
  async removeTemporary(): Promise<void> {
    for (const name of await this.#entries())
      if (TEMPORARY.test(name)) await rm(this.pathOf(name), { recursive: true, force: true });
  }

  #draftOf(step: number): string {
    return this.pathOf(`.${nameOf(step)}.tmp`);
  }

  /** Deletes a checkpoint; renames it first, so that it is never seen half deleted. */
  async #remove(name: string): Promise<void> {
    const temporary = this.pathOf(`.${name}.old.tmp`);
    await rename(this.pathOf(name), temporary);
    await rm(temporary, { recursive: true, force: true });
  }

  async #entries(): Promise<string[]> {
    try {
      return await readdir(this.folder);
    } catch (error) {
      if (["ENOENT", "ENOTDIR"].includes(String((error as NodeJS.ErrnoException).code))) return [];
      throw fileErrorOf(`${this.folder} cannot be read`, error);
    }
  }
}

/** The paths of the parts of a checkpoint. */
export function partsOf(folder: string, { files }: Pick<Manifest, "files">): string[] {
  return files.filter(({ name }) => name.endsWith(".safetensors")).map(({ name }) => join(folder, name));
}

/**
 * Reads a checkpoint's manifest, and checks every byte of its files and that its numbers are finite, except in buffers.
 * @throws CheckpointError
 */
export async function readCheckpoint(folder: string): Promise<Manifest> {
  const manifest = await readManifest(folder);
  for (const file of manifest.files) await checkFile(folder, file);
  for (const path of partsOf(folder, manifest)) await checkFinite(path);
  return manifest;
}

async function checkFile(folder: string, file: ManifestFile): Promise<void> {
  await checkSize(folder, file);
  const path = join(folder, file.name);
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path)) hash.update(piece as Buffer);
  if (hash.digest("hex") !== file.sha256)
    throw new CheckpointError(
      "CHECKPOINT_DAMAGED",
      `${path} was changed after it was written: its checksum differs`,
    );
}

async function checkFinite(path: string): Promise<void> {
  for (const { name } of (await readSafetensorsHeader(path)).tensors) {
    if (isBuffer(name)) continue;
    const [tensor] = (await readSafetensors(path, [name])).tensors;
    if (areFinite(tensor!.data, tensor!.dtype)) continue;
    throw new CheckpointError(
      "CHECKPOINT_DAMAGED",
      `${path} is of no use: ${name} has numbers that are infinite or NaN`,
    );
  }
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
