import { createHash } from "node:crypto";
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { LibTorch } from "./inspect.ts";
import { locateLibTorch } from "./locate.ts";
import { findProgram } from "./programs.ts";

// The same from `src/native` and from `dist/native`.
const PACKAGE_FOLDER = fileURLToPath(new URL("../..", import.meta.url));
const ADDON_FILE = "dualpipe.node";
const MEMO_FILE = "located.json";

const NATIVE_SOURCES = join(PACKAGE_FOLDER, "native");

/** Where built addons are kept. */
export interface NativeCache {
  /** Folders to look in, in order; the first writable one is written to. */
  readonly folders: readonly string[];
  readonly sources: string;
  readonly env: NodeJS.ProcessEnv;
}

/** The cache in the package's folder, or the user's own where that is read-only. */
export function defaultCache(env: NodeJS.ProcessEnv = process.env): NativeCache {
  const userCache = env.XDG_CACHE_HOME || join(homedir(), ".cache");
  const folders = [join(PACKAGE_FOLDER, ".cache", "native"), join(userCache, "dualpipe", "native")];
  return { folders, sources: NATIVE_SOURCES, env };
}

/** The first folder that can be written to, made if need be. */
export function writableFolder(cache: NativeCache): string {
  for (const folder of cache.folders) {
    try {
      mkdirSync(folder, { recursive: true });
      accessSync(folder, constants.W_OK);
      return folder;
    } catch {}
  }
  throw new Error(`no writable folder among ${cache.folders.join(", ")}`);
}

/** Names one build: LibTorch, its ABI and place, Node-API and processor. */
export function buildKey(libtorch: LibTorch): string {
  const { version, cxx11Abi, libDir, includeDirs } = libtorch;
  const place = digest([libDir, ...includeDirs]);
  return `libtorch-${version}-abi${Number(cxx11Abi)}-napi${process.versions.napi}-${process.arch}-${place}`;
}

/** Names one addon: its build and the text of its sources. */
export function addonKey(cache: NativeCache, libtorch: LibTorch): string {
  return `${buildKey(libtorch)}-${hashSources(cache.sources)}`;
}

/** The built addon that fits this LibTorch and these sources, if there is one. */
export function findAddon(cache: NativeCache, libtorch: LibTorch): string | undefined {
  const key = addonKey(cache, libtorch);
  return cache.folders.map((folder) => join(folder, key, ADDON_FILE)).find((path) => existsSync(path));
}

/** Puts a built addon in its place at once, so that no reader sees half of it. */
export function storeAddon(cache: NativeCache, libtorch: LibTorch, content: Uint8Array): string {
  const path = join(writableFolder(cache), addonKey(cache, libtorch), ADDON_FILE);
  mkdirSync(dirname(path), { recursive: true });
  replaceFile(path, content);
  return path;
}

/** The LibTorch that a fresh search would find, without starting a Python when nothing has changed. */
export function locateWithMemo(cache: NativeCache): LibTorch | undefined {
  const remembered = cache.folders.map((folder) => readMemo(join(folder, MEMO_FILE), cache.env));
  return remembered.find((libtorch) => libtorch !== undefined) ?? locateAndRemember(cache);
}

/** A fresh search, remembered for the next `locateWithMemo`. */
export function locateAndRemember(cache: NativeCache): LibTorch | undefined {
  const { libtorch } = locateLibTorch({ env: cache.env });
  if (libtorch !== undefined) {
    const memo: Memo = { witness: takeWitness(libtorch, cache.env), libtorch };
    replaceFile(join(writableFolder(cache), MEMO_FILE), JSON.stringify(memo, undefined, 2));
  }
  return libtorch;
}

interface Memo {
  /** What the result of a search depends on, as far as it can be seen without a search. */
  readonly witness: string;
  readonly libtorch: LibTorch;
}

function takeWitness(libtorch: LibTorch, env: NodeJS.ProcessEnv): string {
  const library = statSync(join(libtorch.libDir, "libtorch.so"), { throwIfNoEntry: false });
  // Gloo's headers are a package of their own and may come later than LibTorch.
  const hasSystemGloo = existsSync("/usr/include/gloo/context.h");
  const python = findProgram("python3", env);
  return JSON.stringify([env.LIBTORCH ?? "", python ?? "", library?.mtimeMs ?? 0, hasSystemGloo]);
}

function readMemo(path: string, env: NodeJS.ProcessEnv): LibTorch | undefined {
  try {
    const memo = JSON.parse(readFileSync(path, "utf8")) as Memo;
    return memo.witness === takeWitness(memo.libtorch, env) ? memo.libtorch : undefined;
  } catch {
    return undefined;
  }
}

function hashSources(folder: string): string {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  return digest(files.flatMap((path) => [path.slice(folder.length), readFileSync(path, "utf8")]));
}

/** A short name for a list of texts. */
export function digest(parts: readonly string[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(`${part.length}:${part}`);
  return hash.digest("hex").slice(0, 12);
}

function replaceFile(path: string, content: string | Uint8Array): void {
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, content);
  renameSync(temporary, path);
}
