/*
 * A program can be killed in the middle of a write, and a reader can come in the middle of one. Writing to the file
 * itself would show both of them half a file, and would have lost the old content. So the content goes to a temporary
 * file in the same folder (a rename is atomic only within one file system), is synced to disk (otherwise the rename
 * could reach the disk before the bytes do), and is renamed over the old file. The rename itself lives in the folder,
 * which is therefore synced as well. What a killed writer leaves is a file with a recognizable name, for the next run
 * to remove.
 */
import { type FileHandle, open, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileErrorOf } from "./file-error.ts";
import { makeFolder } from "./folder.ts";

const TEMPORARY = /^\..+\.\d+\.[0-9a-f]{8}\.tmp$/;

/**
 * Writes a file so that `path` has either its old content or all of the new, even after a crash. Creates its folder.
 * @throws FileError
 */
export async function writeFileAtomically(
  path: string,
  write: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const folder = dirname(path);
  await makeFolder(folder);
  const temporary = join(folder, `.${basename(path)}.${process.pid}.${crypto.randomUUID().slice(0, 8)}.tmp`);
  try {
    const file = await open(temporary, "wx");
    try {
      await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw fileErrorOf(`${path} cannot be written`, error);
  }
  await syncFolder(folder);
}

/** Removes the temporary files that killed writers have left in a folder. */
export async function removeTemporaryFiles(folder: string): Promise<void> {
  for (const name of await readdir(folder))
    if (TEMPORARY.test(name)) await rm(join(folder, name), { force: true });
}

/** Syncs a folder, so that a rename in it survives a power failure. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
