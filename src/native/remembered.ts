/**
 * Remembers where LibTorch was found, because a search starts a Python, which takes longer than everything else at the
 * start of a program.
 *
 * A remembered result must never differ from a new search. What a search depends on is of two kinds. What differs
 * between projects and shells (LIBTORCH, which python3 is on PATH) names the file, so that projects do not overwrite
 * each other's. What changes over time (LibTorch updated or removed, Gloo's headers installed) is the witness stored
 * in it: a witness that no longer holds means a new search. That a torch was installed into a Python which had none
 * is the one thing not seen here: `dualpipe doctor --build` always searches.
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { digest, type NativeCache, replaceFile, writableFolder } from "./cache.ts";
import type { LibTorch } from "./inspect.ts";
import { locateLibTorch } from "./locate.ts";
import { findProgram } from "./programs.ts";

interface Remembered {
  readonly witness: string;
  readonly libtorch: LibTorch;
}

/** The LibTorch that a search would find, without a search when nothing has changed since the last one. */
export function locateOrRecall(cache: NativeCache): LibTorch | undefined {
  const name = fileName(cache.env);
  const remembered = cache.folders.map((folder) => recall(join(folder, name)));
  return remembered.find((libtorch) => libtorch !== undefined) ?? locateAndRemember(cache);
}

/** Searches for LibTorch, and remembers the result for the next `locateOrRecall`. */
export function locateAndRemember(cache: NativeCache): LibTorch | undefined {
  const { libtorch } = locateLibTorch({ env: cache.env });
  if (libtorch !== undefined) {
    const remembered: Remembered = { witness: takeWitness(libtorch), libtorch };
    const path = join(writableFolder(cache), fileName(cache.env));
    replaceFile(path, JSON.stringify(remembered, undefined, 2));
  }
  return libtorch;
}

function fileName(env: NodeJS.ProcessEnv): string {
  const python = findProgram("python3", env) ?? "";
  // A version manager's stand-in chooses the Python by a file in the working folder or above it.
  const folder = python.includes("/shims/") ? versionFolder(process.cwd()) : "";
  const chosen = env.LIBTORCH ? resolve(env.LIBTORCH) : "";
  const toolkit = [env.CUDA_HOME, env.CUDA_PATH].filter((path) => path !== undefined);
  return `located-${digest([chosen, python, folder, env.PYENV_VERSION ?? "", ...toolkit])}.json`;
}

function versionFolder(folder: string): string {
  const decides = [".python-version", ".tool-versions"].some((name) => existsSync(join(folder, name)));
  const parent = dirname(folder);
  return decides || parent === folder ? folder : versionFolder(parent);
}

function takeWitness(libtorch: LibTorch): string {
  const library = statSync(join(libtorch.libDir, "libtorch.so"), { throwIfNoEntry: false });
  // Gloo's headers are a package of their own and may be installed after LibTorch.
  return JSON.stringify([library?.mtimeMs ?? 0, existsSync("/usr/include/gloo/context.h")]);
}

function recall(path: string): LibTorch | undefined {
  try {
    const { witness, libtorch } = JSON.parse(readFileSync(path, "utf8")) as Remembered;
    return witness === takeWitness(libtorch) ? libtorch : undefined;
  } catch {
    return undefined;
  }
}
