import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { setDefaultVariable } from "../errors/environment.ts";
import type { Addon } from "./addon.ts";
import { defaultCache, findAddon, type NativeCache } from "./cache.ts";
import { libtorchNotFound } from "./locate.ts";
import { childProcess } from "./programs.ts";
import { locateOrRecall } from "./remembered.ts";
import { type NativeSetupCode, NativeSetupError } from "./setup-error.ts";

/** What the program of a build prints. */
export type BuildOutcome =
  | { readonly path: string }
  | { readonly code: NativeSetupCode; readonly problem: string };

/**
 * Loads the native addon for the LibTorch of this machine; when it is not in the cache, builds it first, which takes
 * minutes, with its progress on standard error. Call it on the main thread before ranks start as worker threads: a
 * worker cannot set the environment that LibTorch reads.
 * @throws NativeSetupError when LibTorch or a build tool is missing, or when the build fails.
 */
export function loadAddon<A = Addon>(cache: NativeCache = defaultCache()): A {
  return openAddon<A>(findBuilt(cache) ?? buildInChild(cache));
}

/**
 * The same as `loadAddon` for asynchronous callers: the event loop keeps running during a build.
 * @throws NativeSetupError as `loadAddon` does; the reason of `signal` when it is aborted during a build.
 */
export async function prepareAddon<A = Addon>(
  signal?: AbortSignal,
  cache: NativeCache = defaultCache(),
): Promise<A> {
  const onProgress = (line: string) => process.stderr.write(`dualpipe: ${line}\n`);
  const built = findBuilt(cache);
  if (built !== undefined) return openAddon<A>(built);
  const { buildAddon } = await import("./build.ts");
  return openAddon<A>((await buildAddon({ cache, signal, onProgress })).path);
}

/** Loads a built addon. @throws NativeSetupError when the system's loader refuses it. */
export function openAddon<A = Addon>(path: string): A {
  prepareEnvironment();
  try {
    return createRequire(import.meta.url)(path) as A;
  } catch (error) {
    throw new NativeSetupError(
      "ADDON_NOT_LOADED",
      `the native addon ${path} cannot be loaded: ${(error as Error).message}; build it again: npx dualpipe doctor --build`,
      { cause: error },
    );
  }
}

function findBuilt(cache: NativeCache): string | undefined {
  const libtorch = locateOrRecall(cache);
  if (libtorch === undefined) throw libtorchNotFound(cache.env);
  return findAddon(cache, libtorch);
}

/** Builds in a program of its own, since a synchronous caller cannot wait for CMake and show progress. */
function buildInChild({ folders, sources, env }: NativeCache): string {
  const isSource = import.meta.url.endsWith(".ts");
  const program = fileURLToPath(new URL(`./build-program${isSource ? ".ts" : ".js"}`, import.meta.url));
  const options = process.versions.deno ? ["run", "-A"] : isSource ? moduleLoaders(process.execArgv) : [];
  const args = [...options, program, JSON.stringify({ folders, sources })];
  const child = childProcess().spawnSync(process.execPath, args, {
    env,
    stdio: ["ignore", "pipe", "inherit"],
    encoding: "utf8",
  });
  if (child.status !== 0) {
    const reason = child.error?.message ?? child.signal ?? `exit status ${child.status}`;
    throw new NativeSetupError("BUILD_FAILED", `the build of the native addon was interrupted (${reason})`);
  }
  const outcome = JSON.parse(child.stdout) as BuildOutcome;
  if ("path" in outcome) return outcome.path;
  throw new NativeSetupError(outcome.code, outcome.problem);
}

/** The options of this process that let Node import TypeScript, and no others: `-e` would run the caller again. */
function moduleLoaders(options: readonly string[]): string[] {
  return options.filter((option, i) => option.startsWith("--import") || options[i - 1] === "--import");
}

/**
 * Sets what LibTorch and CUDA read when they are loaded. One rank is one thread: a pool of threads in each would share
 * the same cores. And a stream of a card that waits for another rank must not hold up others, which share the card's
 * queues unless there are enough.
 */
function prepareEnvironment(): void {
  setDefaultVariable("OMP_NUM_THREADS", "1");
  setDefaultVariable("OPENBLAS_NUM_THREADS", "1");
  setDefaultVariable("CUDA_DEVICE_MAX_CONNECTIONS", "32");
}
