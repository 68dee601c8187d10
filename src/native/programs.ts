import { accessSync, constants, statSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, isAbsolute, join } from "node:path";
import { type Environment, readEnvironment } from "../errors/environment.ts";

const require = createRequire(import.meta.url);

/*
 * Modules of Node that take milliseconds to load, and that most programs need late or never. `import "dualpipe"` must
 * not wait for them, so they are loaded by their first use, also in synchronous functions.
 */

/** `node:child_process`, which loads `node:net` and `node:dgram` too. */
export const childProcess = () => require("node:child_process") as typeof import("node:child_process");

/** `node:crypto`. */
export const cryptoModule = () => require("node:crypto") as typeof import("node:crypto");

/** Finds an executable on PATH without starting it; an absolute path is only checked. */
export function findProgram(name: string, env: Environment = readEnvironment()): string | undefined {
  if (isAbsolute(name)) return isExecutableFile(name) ? name : undefined;
  const folders = (env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  return folders.map((folder) => join(folder, name)).find(isExecutableFile);
}

function isExecutableFile(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
