/**
 * Builds the native addon with CMake, when a program first needs it.
 *
 * A build takes minutes, and anything may ask for it: a user's first `Runtime.load()`, several ranks at once, a test
 * run in another checkout. So a build is requested, not performed: `buildAddon` looks for the addon, waits for its turn
 * (`lock.ts`), looks again, and only then compiles. Of several requests one compiles, and all get the same file.
 *
 * Object files are kept for a checkout, so that a changed C++ file is compiled alone; an installed package never
 * changes, and its object files are removed. CMake and its compilers form a process group that ends with the process
 * that started them.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { dirname, join, sep } from "node:path";
import { BuildProgress } from "./build-progress.ts";
import {
  defaultCache,
  digest,
  findAddon,
  type NativeCache,
  storeAddon,
  targetKey,
  writableFolder,
} from "./cache.ts";
import type { LibTorch } from "./inspect.ts";
import { libtorchNotFound } from "./locate.ts";
import { withLock } from "./lock.ts";
import { findProgram } from "./programs.ts";
import { locateAndRemember, locateOrRecall } from "./remembered.ts";
import { NativeSetupError } from "./setup-error.ts";

export interface BuildOptions {
  readonly cache?: NativeCache;
  /** Builds even when the addon is already in the cache, and searches for LibTorch again. */
  readonly force?: boolean;
  /** Called with a line when a build starts, every few seconds while it runs, and when it ends. */
  readonly onProgress?: (line: string) => void;
  /** Ends the build when it is aborted; the promise is then rejected with its reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface BuildResult {
  readonly path: string;
  /** False when this call compiled the addon. */
  readonly reused: boolean;
}

const LOG_LINES_SHOWN = 15;

/**
 * Builds the native addon for the LibTorch of this machine, or finds the one built before.
 * @throws NativeSetupError when LibTorch or a build tool is missing, or when the compiler fails; the message then ends
 * with the compiler's last lines.
 */
export async function buildAddon(options: BuildOptions = {}): Promise<BuildResult> {
  const { cache = defaultCache(), force = false, onProgress } = options;
  const libtorch = force ? locateAndRemember(cache) : locateOrRecall(cache);
  if (libtorch === undefined) throw libtorchNotFound(cache.env);
  const built = force ? undefined : findAddon(cache, libtorch);
  if (built !== undefined) return { path: built, reused: true };

  const work = async (): Promise<BuildResult> => {
    const builtMeanwhile = force ? undefined : findAddon(cache, libtorch);
    if (builtMeanwhile !== undefined) return { path: builtMeanwhile, reused: true };
    return { path: await compileInto(cache, libtorch, options), reused: false };
  };
  return withLock(join(writableFolder(cache), "build.lock"), work, {
    onWait: (holder) => onProgress?.(`waiting for another build of the native addon (${holder})`),
  });
}

async function compileInto(cache: NativeCache, libtorch: LibTorch, options: BuildOptions): Promise<string> {
  const folder = writableFolder(cache);
  // CMake refuses a folder that was configured by another generator, or for a path that has moved.
  const configuration = digest([targetKey(libtorch), generatorFor(cache.env), cache.sources, folder]);
  const buildFolder = join(folder, `build-${configuration}`);
  const progress = new BuildProgress(`LibTorch ${libtorch.version} (${libtorch.source})`, options.onProgress);
  try {
    const product = await compile(cache, libtorch, buildFolder, progress, options.signal);
    const path = storeAddon(cache, libtorch, readFileSync(product));
    progress.finish();
    if (cache.sources.includes(`${sep}node_modules${sep}`)) rmSync(buildFolder, { recursive: true });
    return path;
  } finally {
    progress.stop();
  }
}

async function compile(
  cache: NativeCache,
  libtorch: LibTorch,
  buildFolder: string,
  progress: BuildProgress,
  signal: AbortSignal | undefined,
): Promise<string> {
  const cmake = findProgram("cmake", cache.env);
  if (cmake === undefined) {
    throw new NativeSetupError(
      "BUILD_TOOL_MISSING",
      "the native addon is built with cmake, which is not on PATH; see: npx dualpipe doctor",
    );
  }
  mkdirSync(buildFolder, { recursive: true });
  const logPath = `${buildFolder}.log`;
  const log = openSync(logPath, "w");
  const onOutput = (text: Buffer) => {
    writeSync(log, text);
    progress.read(text.toString());
  };
  try {
    const steps = [
      ["-S", cache.sources, "-B", buildFolder, "-G", generatorFor(cache.env), ...defines(libtorch)],
      ["--build", buildFolder, "--parallel", String(availableParallelism())],
    ];
    for (const args of steps) {
      const failure = await runProgram(cmake, args, { env: cache.env, signal, onOutput });
      signal?.throwIfAborted();
      if (failure !== undefined) throw buildFailed(failure, logPath);
    }
  } finally {
    closeSync(log);
  }
  const product = join(buildFolder, "dualpipe.node");
  if (!existsSync(product)) throw buildFailed(`the build produced no ${product}`, logPath);
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
    CUDA_INCLUDE_DIR: libtorch.cudaIncludeDir ?? "",
    NCCL_INCLUDE_DIR: libtorch.ncclIncludeDir ?? "",
    LIBTORCH_HAS_GLOO: libtorch.hasGloo ? "1" : "0",
    GLOO_INCLUDE_DIR: libtorch.glooIncludeDir ?? "",
    NODE_API_INCLUDE_DIRS: `${headers.include_dir};${wrapper}`,
  };
  return Object.entries(values).map(([name, value]) => `-D${name}=${value}`);
}

interface RunOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal | undefined;
  readonly onOutput: (text: Buffer) => void;
}

/** Runs a program. @returns The reason of its failure, or undefined when it succeeded. */
function runProgram(program: string, args: string[], options: RunOptions): Promise<string | undefined> {
  const { env, signal, onOutput } = options;
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env, detached: true });
  child.stdout.on("data", onOutput);
  child.stderr.on("data", onOutput);
  const end = () => endGroup(child);
  process.once("exit", end);
  signal?.addEventListener("abort", end);
  return new Promise<string | undefined>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, endedBy) =>
      resolve(code === 0 ? undefined : `cmake ended with ${endedBy ?? `status ${code}`}`),
    );
  }).finally(() => {
    process.off("exit", end);
    signal?.removeEventListener("abort", end);
  });
}

/** Ends CMake and the compilers that it started. */
function endGroup(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  process.kill(-child.pid, "SIGTERM");
}

function buildFailed(reason: string, logPath: string): NativeSetupError {
  const lines = readFileSync(logPath, "utf8").trimEnd().split("\n").slice(-LOG_LINES_SHOWN);
  return new NativeSetupError(
    "BUILD_FAILED",
    `the native addon could not be built: ${reason}; the log is ${logPath} and ends with\n${lines.map((line) => `  ${line}`).join("\n")}`,
  );
}
