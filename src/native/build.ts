import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import {
  buildKey,
  defaultCache,
  digest,
  findAddon,
  locateAndRemember,
  locateWithMemo,
  type NativeCache,
  storeAddon,
  writableFolder,
} from "./cache.ts";
import type { LibTorch } from "./inspect.ts";
import { describeAttempts, locateLibTorch } from "./locate.ts";
import { withLock } from "./lock.ts";
import { findProgram } from "./programs.ts";
import { NativeSetupError } from "./setup-error.ts";

export interface BuildOptions {
  readonly cache?: NativeCache;
  /** Builds even when a fitting addon is there, and searches for LibTorch afresh. */
  readonly force?: boolean;
  /** Gets one line when a build starts. */
  readonly onStart?: (line: string) => void;
}

export interface BuildResult {
  readonly path: string;
  readonly reused: boolean;
}

const LOG_LINES_SHOWN = 15;

/**
 * Builds the native addon for the LibTorch of this machine, or finds the one built before.
 * @throws NativeSetupError when LibTorch or a build tool is missing, or the compiler fails (the message ends with its last lines).
 */
export async function buildAddon(options: BuildOptions = {}): Promise<BuildResult> {
  const cache = options.cache ?? defaultCache();
  const libtorch = options.force ? locateAndRemember(cache) : locateWithMemo(cache);
  if (libtorch === undefined) throw libtorchNotFound(cache);
  const built = options.force ? undefined : findAddon(cache, libtorch);
  if (built !== undefined) return { path: built, reused: true };

  const folder = writableFolder(cache);
  // CMake refuses a folder that was configured by another generator or for a place that has moved.
  const configuration = digest([buildKey(libtorch), generatorFor(cache.env), cache.sources, folder]);
  const buildFolder = join(folder, `build-${configuration}`);
  return withLock(`${buildFolder}.lock`, async () => {
    const builtMeanwhile = options.force ? undefined : findAddon(cache, libtorch);
    if (builtMeanwhile !== undefined) return { path: builtMeanwhile, reused: true };
    options.onStart?.(`building the native addon for LibTorch ${libtorch.version} (${libtorch.source})`);
    const product = await compile(cache, libtorch, buildFolder);
    return { path: storeAddon(cache, libtorch, readFileSync(product)), reused: false };
  });
}

function libtorchNotFound(cache: NativeCache): NativeSetupError {
  const tried = describeAttempts(locateLibTorch({ env: cache.env }).attempts);
  return new NativeSetupError(
    "LIBTORCH_NOT_FOUND",
    `no usable LibTorch; tried:\n${tried.map((line) => `  ${line}`).join("\n")}\nset LIBTORCH to a folder with include/ and lib/, or see: npx dualpipe doctor`,
  );
}

async function compile(cache: NativeCache, libtorch: LibTorch, buildFolder: string): Promise<string> {
  const cmake = findProgram("cmake", cache.env);
  if (cmake === undefined) {
    throw new NativeSetupError(
      "BUILD_TOOL_MISSING",
      "the native addon needs cmake, which is not on PATH; see: npx dualpipe doctor",
    );
  }
  mkdirSync(buildFolder, { recursive: true });
  const logPath = `${buildFolder}.log`;
  const log = openSync(logPath, "w");
  try {
    const steps = [
      ["-S", cache.sources, "-B", buildFolder, "-G", generatorFor(cache.env), ...defines(libtorch)],
      ["--build", buildFolder, "--parallel", String(availableParallelism())],
    ];
    for (const args of steps) {
      const failure = await runLogged(cmake, args, log, cache.env);
      if (failure !== undefined) throw buildFailed(failure, logPath);
    }
  } finally {
    closeSync(log);
  }
  const product = join(buildFolder, "dualpipe.node");
  if (!existsSync(product)) throw buildFailed(`the build made no ${product}`, logPath);
  return product;
}

function generatorFor(env: NodeJS.ProcessEnv): string {
  return findProgram("ninja", env) === undefined ? "Unix Makefiles" : "Ninja";
}

function defines(libtorch: LibTorch): string[] {
  const require = createRequire(import.meta.url);
  const headers = require("node-api-headers") as { include_dir: string };
  const wrapper = dirname(require.resolve("node-addon-api/package.json"));
  const values: Record<string, string> = {
    CMAKE_BUILD_TYPE: "Release",
    LIBTORCH_VERSION: libtorch.version,
    LIBTORCH_INCLUDE_DIRS: libtorch.includeDirs.join(";"),
    LIBTORCH_LIB_DIR: libtorch.libDir,
    LIBTORCH_CXX11_ABI: libtorch.cxx11Abi ? "1" : "0",
    LIBTORCH_WITH_CUDA: libtorch.cuda ? "1" : "0",
    LIBTORCH_HAS_GLOO: libtorch.hasGloo ? "1" : "0",
    GLOO_INCLUDE_DIR: libtorch.glooIncludeDir ?? "",
    NODE_API_INCLUDE_DIRS: `${headers.include_dir};${wrapper}`,
  };
  return Object.entries(values).map(([name, value]) => `-D${name}=${value}`);
}

/** Runs a program with its output in a log; the reason of its failure, if it failed. */
function runLogged(
  program: string,
  args: string[],
  log: number,
  env: NodeJS.ProcessEnv,
): Promise<string | undefined> {
  const child = spawn(program, args, { stdio: ["ignore", log, log], env, detached: true });
  const release = endWithParent(child);
  return new Promise<string | undefined>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) =>
      resolve(code === 0 ? undefined : `cmake ended with ${signal ?? `status ${code}`}`),
    );
  }).finally(release);
}

/** Compilers must not go on when the command that started them has been ended: CMake leads a group with all of them. */
function endWithParent(child: ChildProcess): () => void {
  const end = () => {
    if (child.pid !== undefined) process.kill(-child.pid, "SIGTERM");
  };
  process.once("exit", end);
  return () => process.off("exit", end);
}

function buildFailed(reason: string, logPath: string): NativeSetupError {
  const lines = readFileSync(logPath, "utf8").trimEnd().split("\n").slice(-LOG_LINES_SHOWN);
  return new NativeSetupError(
    "BUILD_FAILED",
    `the native addon did not build: ${reason}; its last lines, whole log in ${logPath}\n${lines.map((line) => `  ${line}`).join("\n")}`,
  );
}
