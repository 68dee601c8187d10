import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { syncFolder, writeFileAtomically } from "../atomic-file.ts";
import { type TensorSource, writeSafetensors } from "../safetensors.ts";
import { CheckpointError } from "./checkpoint-error.ts";
import { type Manifest, type ManifestFile, readManifest, TOKENIZER_FILE, writeManifest } from "./manifest.ts";

/** What a checkpoint consists of, in memory. */
export interface CheckpointContent {
  readonly manifest: Omit<Manifest, "files">;
  /** The tensors of each rank. */
  readonly parts: readonly (readonly TensorSource[])[];
  /** The content of `tokenizer.json`. */
  readonly tokenizer: string;
}

const COMPLETE = /^step-(\d+)$/;
const TEMPORARY = /^\..*\.tmp$/;

/** The checkpoints of a run: a folder with a folder for each. */
export class CheckpointStore {
  readonly folder: string;

  constructor(runFolder: string) {
    this.folder = join(runFolder, "checkpoints");
  }

  /**
   * Writes a checkpoint, whole or not at all, then deletes all but the newest `keep`.
   * @returns Its folder.
   */
  async write(content: CheckpointContent, keep: number): Promise<string> {
    const name = nameOf(content.manifest.step);
    const temporary = join(this.folder, `.${name}.${process.pid}.tmp`);
    try {
      await mkdir(temporary, { recursive: true });
      await writeFiles(temporary, content);
      await rename(temporary, join(this.folder, name));
    } catch (error) {
      await rm(temporary, { recursive: true, force: true });
      throw error;
    }
    await syncFolder(this.folder);
    for (const old of (await this.names()).slice(keep)) await this.#remove(old);
    return join(this.folder, name);
  }

  /** The newest checkpoint whose files are all as they were written; `onDamaged` is told of newer ones that are not. */
  async latest(
    onDamaged: (name: string, error: Error) => void | Promise<void>,
  ): Promise<{ folder: string; manifest: Manifest } | undefined> {
    for (const name of await this.names()) {
      const folder = join(this.folder, name);
      try {
        return { folder, manifest: await readCheckpoint(folder) };
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
    const aside = join(this.folder, `damaged-${name}`);
    await rm(aside, { recursive: true, force: true });
    await rename(join(this.folder, name), aside);
  }

  /** Removes what writers that were killed have left. */
  async removeTemporary(): Promise<void> {
    for (const name of await this.#entries())
      if (TEMPORARY.test(name)) await rm(join(this.folder, name), { recursive: true, force: true });
  }

  /** Renamed first, so that it is never seen in half. */
  async #remove(name: string): Promise<void> {
    const temporary = join(this.folder, `.${name}.old.tmp`);
    await rename(join(this.folder, name), temporary);
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

async function checkFile(folder: string, { name, bytes, sha256 }: ManifestFile): Promise<void> {
  const path = join(folder, name);
  const size = await stat(path).then(
    (stats) => stats.size,
    () => undefined,
  );
  if (size === undefined) throw new CheckpointError("CHECKPOINT_DAMAGED", `${path} is missing`);
  if (size !== bytes)
    throw new CheckpointError(
      "CHECKPOINT_DAMAGED",
      `${path} must have ${bytes} bytes as its manifest says; got ${size}`,
    );
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  if (hash.digest("hex") !== sha256)
    throw new CheckpointError("CHECKPOINT_DAMAGED", `${path} is not as it was written: its checksum differs`);
}

async function writeFiles(folder: string, { manifest, parts, tokenizer }: CheckpointContent): Promise<void> {
  const files: ManifestFile[] = [];
  for (const [rank, tensors] of parts.entries()) {
    const name = `rank-${String(rank).padStart(5, "0")}.safetensors`;
    const hash = createHash("sha256");
    let bytes = 0;
    await writeSafetensors(join(folder, name), tensors, { format: "pt" }, (chunk) => {
      hash.update(chunk);
      bytes += chunk.byteLength;
    });
    files.push({ name, bytes, sha256: hash.digest("hex") });
  }
  await writeFileAtomically(join(folder, TOKENIZER_FILE), (file) => file.writeFile(tokenizer));
  files.push({
    name: TOKENIZER_FILE,
    bytes: Buffer.byteLength(tokenizer),
    sha256: createHash("sha256").update(tokenizer).digest("hex"),
  });
  await writeManifest(folder, { ...manifest, files });
}

function nameOf(step: number): string {
  return `step-${String(step).padStart(6, "0")}`;
}
