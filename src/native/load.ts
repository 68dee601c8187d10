import { createRequire } from "node:module";
import type { Addon } from "./addon.ts";
import { defaultCache, findAddon, locateWithMemo, type NativeCache } from "./cache.ts";
import { NativeSetupError } from "./setup-error.ts";

/**
 * Loads the native addon built for the LibTorch of this machine.
 * Call it on the main thread before ranks start as worker threads: a worker cannot set the environment that LibTorch reads.
 * @throws NativeSetupError when there is no addon for this LibTorch and these sources.
 */
export function loadAddon<A = Addon>(cache: NativeCache = defaultCache()): A {
  const libtorch = locateWithMemo(cache);
  const path = libtorch && findAddon(cache, libtorch);
  if (path === undefined) {
    const what =
      libtorch === undefined
        ? "no LibTorch was found"
        : `there is no native addon for LibTorch ${libtorch.version} (${libtorch.source})`;
    throw new NativeSetupError(
      libtorch === undefined ? "LIBTORCH_NOT_FOUND" : "ADDON_NOT_BUILT",
      `${what}; run: npx dualpipe doctor --build`,
    );
  }
  limitThreadsPerRank();
  return createRequire(import.meta.url)(path) as A;
}

/** One rank is one thread: a pool of threads in each would share the same cores. Read when LibTorch is loaded. */
function limitThreadsPerRank(): void {
  process.env.OMP_NUM_THREADS ??= "1";
  process.env.OPENBLAS_NUM_THREADS ??= "1";
}
