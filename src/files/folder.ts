/*
 * `mkdir` with `recursive` never returns where the parent exists but takes no folders, as /proc: it takes the missing
 * folder for a missing parent and starts over forever, in a thread that no signal ends. So folders are created here one
 * by one, from the nearest parent that exists.
 */
import { mkdir, mkdtemp, rmdir, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { FileError, fileErrorOf } from "./file-error.ts";

/** Creates a folder and its parents, unless they exist. @throws FileError */
export async function makeFolder(path: string): Promise<void> {
  const { missing } = await nearestFolder(path);
  for (const folder of missing) {
    try {
      await mkdir(folder);
    } catch (error) {
      // Another process may have created it in between.
      if ((error as NodeJS.ErrnoException).code !== "EEXIST")
        throw fileErrorOf(`the folder ${folder} cannot be created`, error);
    }
  }
}

/** Checks that files can be written to a folder, which may not exist yet; leaves nothing behind. @throws FileError */
export async function checkWritable(path: string): Promise<void> {
  const { existing } = await nearestFolder(path);
  try {
    await rmdir(await mkdtemp(join(existing, ".dualpipe-")));
  } catch (error) {
    throw fileErrorOf(`nothing can be created in ${existing}`, error);
  }
}

/** The nearest folder on the way up that exists, and those below it that do not, from the top down. */
async function nearestFolder(
  path: string,
): Promise<{ readonly existing: string; readonly missing: readonly string[] }> {
  const missing: string[] = [];
  for (let folder = resolve(path); ; folder = dirname(folder)) {
    const stats = await statOf(folder);
    if (stats === undefined) missing.unshift(folder);
    else if (stats.isDirectory()) return { existing: folder, missing };
    else throw new FileError("FILE_UNUSABLE", `${folder} must be a folder; it is a file`);
  }
}

async function statOf(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw fileErrorOf(`${path} cannot be used`, error);
  }
}
