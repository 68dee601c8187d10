/**
 * The user's cache of native addons: one addon per LibTorch and state of the C++ sources.
 *
 * The addon cannot be shipped: its machine code fits one LibTorch (version, C++ ABI, headers and library folder), and
 * users bring LibTorch from Debian, from a Python wheel or from a folder of their own. Kept in `node_modules`, it would
 * be lost with every `npm ci` and built again for every project. So it lives in the user's cache folder, under a name
 * that is a digest of everything its machine code depends on:
 *
 *     ~/.cache/dualpipe/native/libtorch-1.13.0-abi1-x64-<installation and system>-<C++ sources>/dualpipe.node
 *
 * The running Node is not part of the name: the addon is compiled for version 8 of Node-API (native/CMakeLists.txt),
 * which every Node from 20 on, Bun and Deno provide.
 *
 * Invariant: a file under such a name is complete and never changes, since it is written elsewhere and renamed. So
 * checkouts, projects, LibTorch versions and processes share the cache without knowing of each other, and deleting
 * anything in it costs only a build.
 */

import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Environment, readEnvironment } from "../errors/environment.ts";
import type { LibTorch } from "./inspect.ts";
import { cryptoModule } from "./programs.ts";
import { NativeSetupError } from "./setup-error.ts";

/** The environment variable that names another cache folder. */
const CACHE_VARIABLE = "DUALPIPE_CACHE";

// The same from `src/native` and from `dist/native`.
const PACKAGE_FOLDER = fileURLToPath(new URL("../..", import.meta.url));
const ADDON_FILE = "dualpipe.node";
const DISTRIBUTION_FILE = "/etc/os-release";

/** Where built addons are kept, and what they are built from. */
export interface NativeCache {
  /** Folders to search, in order; the first writable one is written to. */
  readonly folders: readonly string[];
  /** The folder of the C++ sources. */
  readonly sources: string;
  readonly env: NodeJS.ProcessEnv;
}

/**
 * The folder in `DUALPIPE_CACHE`, or the user's cache folder; the package's own folder where that cannot be written.
 */
export function defaultCache(variables?: Environment): NativeCache {
  const env = readEnvironment(variables);
  const usersCache = env.XDG_CACHE_HOME ?? join(homedir(), ".cache");
  const folders = env[CACHE_VARIABLE]
    ? [join(env[CACHE_VARIABLE], "native")]
    : [join(usersCache, "dualpipe", "native"), join(PACKAGE_FOLDER, ".cache", "native")];
  return { folders, sources: join(PACKAGE_FOLDER, "native"), env };
}

/** The first folder that can be written to; it is created if it does not exist. */
export function writableFolder(cache: NativeCache): string {
  for (const folder of cache.folders) {
    try {
      mkdirSync(folder, { recursive: true });
      accessSync(folder, constants.W_OK);
      return folder;
    } catch {}
  }
  throw new NativeSetupError(
    "CACHE_NOT_WRITABLE",
    `the native addon has no place: none of these folders can be written: ${cache.folders.join(", ")}; set ${CACHE_VARIABLE} to a folder that can`,
  );
}

/** Names what an addon is compiled for: LibTorch, its ABI and installation, the processor and the system. */
export function targetKey({
  version,
  cxx11Abi,
  libDir,
  includeDirs,
  cudaIncludeDir,
  ncclIncludeDir,
}: LibTorch): string {
  const cuda = [cudaIncludeDir, ncclIncludeDir].filter((folder) => folder !== undefined);
  const installation = digest([libDir, ...includeDirs, ...cuda, readIfPresent(DISTRIBUTION_FILE)]);
  return `libtorch-${version}-abi${Number(cxx11Abi)}-${process.arch}-${installation}`;
}

/** Names one addon: its target and the text of its sources. */
export function addonKey(cache: NativeCache, libtorch: LibTorch): string {
  return `${targetKey(libtorch)}-${hashSources(cache.sources)}`;
}

/** The addon built for this LibTorch from these sources, if there is one. */
export function findAddon(cache: NativeCache, libtorch: LibTorch): string | undefined {
  const key = addonKey(cache, libtorch);
  return cache.folders.map((folder) => join(folder, key, ADDON_FILE)).find((path) => existsSync(path));
}

/** Puts a built addon into the cache. @returns Its path. */
export function storeAddon(cache: NativeCache, libtorch: LibTorch, content: Uint8Array): string {
  const path = join(writableFolder(cache), addonKey(cache, libtorch), ADDON_FILE);
  mkdirSync(dirname(path), { recursive: true });
  replaceFile(path, content);
  return path;
}

/** A short name for a list of texts. */
export function digest(parts: readonly string[]): string {
  const hash = cryptoModule().createHash("sha256");
  for (const part of parts) hash.update(`${part.length}:${part}`);
  return hash.digest("hex").slice(0, 12);
}

/** Replaces a file at once, so that no reader sees half of it. */
export function replaceFile(path: string, content: string | Uint8Array): void {
  const temporary = `${path}.${cryptoModule().randomUUID()}`;
  writeFileSync(temporary, content);
  renameSync(temporary, path);
}

function hashSources(folder: string): string {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  return digest(files.flatMap((path) => [path.slice(folder.length), readFileSync(path, "utf8")]));
}

function readIfPresent(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
