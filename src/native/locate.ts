/**
 * Finds LibTorch: the folder in `LIBTORCH`, then a `python3` that has torch, then the system's packages.
 *
 * The first usable one wins, from the most deliberate choice to the least: a variable that the user set, an environment
 * that the user activated, what the machine happens to have. Two rules keep this from surprising. A `LIBTORCH` that is
 * set but unusable is an error: to go on would compute with another LibTorch than the one asked for. And every folder
 * that was looked at is recorded with the reason why it was not taken, for the error and for `dualpipe doctor`.
 *
 * Debian is a trap: its `python3-torch` has a `torch/lib` that links to the system's LibTorch, but no headers next to
 * it. Such a torch is passed over; the system's own rule finds the same library with its headers.
 */

import { existsSync, readdirSync, realpathSync } from "node:fs";
import { join, resolve } from "node:path";
import { readEnvironment } from "../errors/environment.ts";
import { inspectLibTorch, type LibTorch, type LibTorchLayout, type LibTorchSource } from "./inspect.ts";
import { childProcess, findProgram } from "./programs.ts";
import { NativeSetupError } from "./setup-error.ts";

/** A folder or program that was looked at, and why it was not taken; `why` is undefined for the one that was. */
export interface LocateAttempt {
  readonly source: LibTorchSource;
  readonly where: string;
  readonly why: string | undefined;
}

export interface LocateResult {
  readonly libtorch: LibTorch | undefined;
  readonly attempts: readonly LocateAttempt[];
}

export interface LocateOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Prefixes that contain `include` and `lib`, in order of preference. */
  readonly systemPrefixes?: readonly string[];
  /** The Python to ask when the first one on PATH has no torch. */
  readonly systemPython?: string;
}

const PYTHON_LIMIT_MS = 20_000;
// find_spec finds the folder without `import torch`, which takes a second or two.
const ASK_PYTHON = `
import importlib.util
spec = importlib.util.find_spec("torch")
print(spec.submodule_search_locations[0] if spec and spec.origin else "")
`;

/** Searches this machine for LibTorch. A `LIBTORCH` that is set but unusable ends the search. */
export function locateLibTorch(options: LocateOptions = {}): LocateResult {
  const env = readEnvironment(options.env);
  const prefixes = options.systemPrefixes ?? ["/usr/local", "/usr"];
  const attempts: LocateAttempt[] = [];
  const search = [
    () => tryFolder(env, attempts),
    () => tryPythons(env, options.systemPython ?? "/usr/bin/python3", prefixes, attempts),
    () => trySystem(prefixes, env, attempts),
  ];
  for (const attempt of search) {
    const libtorch = attempt();
    if (libtorch !== undefined) return { libtorch, attempts };
    if (env.LIBTORCH) return { libtorch: undefined, attempts };
  }
  return { libtorch: undefined, attempts };
}

function tryFolder(env: NodeJS.ProcessEnv, attempts: LocateAttempt[]): LibTorch | undefined {
  const given = env.LIBTORCH;
  if (!given) {
    attempts.push({ source: "LIBTORCH", where: "the environment", why: "LIBTORCH is not set" });
    return undefined;
  }
  const folder = resolve(given);
  if (!existsSync(folder)) {
    attempts.push({ source: "LIBTORCH", where: folder, why: `${folder} does not exist` });
    return undefined;
  }
  const layout = {
    source: "LIBTORCH",
    includeDir: join(folder, "include"),
    libDir: join(folder, "lib"),
  } as const;
  return tryLayout(layout, folder, env, attempts);
}

function tryPythons(
  env: NodeJS.ProcessEnv,
  systemPython: string,
  prefixes: readonly string[],
  attempts: LocateAttempt[],
): LibTorch | undefined {
  const found = [findProgram("python3", env), findProgram(systemPython, env)];
  const pythons = [...new Set(found.filter((path) => path !== undefined))];
  if (pythons.length === 0) {
    attempts.push({ source: "python3", where: "PATH", why: "no python3 on PATH" });
  }
  for (const python of pythons) {
    const libtorch = tryPython(python, env, prefixes, attempts);
    if (libtorch !== undefined) return libtorch;
  }
  return undefined;
}

function tryPython(
  python: string,
  env: NodeJS.ProcessEnv,
  prefixes: readonly string[],
  attempts: LocateAttempt[],
): LibTorch | undefined {
  const refuse = (why: string): undefined => {
    attempts.push({ source: "python3", where: python, why });
    return undefined;
  };
  const asked = childProcess().spawnSync(python, ["-c", ASK_PYTHON], {
    encoding: "utf8",
    env,
    timeout: PYTHON_LIMIT_MS,
  });
  if (asked.status !== 0) {
    const last = asked.stderr?.trim().split("\n").at(-1);
    return refuse(`it did not answer: ${last || (asked.error?.message ?? `exit status ${asked.status}`)}`);
  }
  const folder = asked.stdout.trim();
  if (folder === "") return refuse("it has no torch");
  const library = join(folder, "lib", "libtorch.so");
  if (
    existsSync(library) &&
    systemLibDirs(prefixes).some((dir) => realpathSync(library).startsWith(`${dir}/libtorch`))
  ) {
    return refuse(`its torch (${folder}) is the system's LibTorch without headers`);
  }
  const layout = {
    source: "python3",
    includeDir: join(folder, "include"),
    libDir: join(folder, "lib"),
  } as const;
  return tryLayout(layout, `${folder} (of ${python})`, env, attempts);
}

function trySystem(
  prefixes: readonly string[],
  env: NodeJS.ProcessEnv,
  attempts: LocateAttempt[],
): LibTorch | undefined {
  for (const prefix of prefixes) {
    const libDir = systemLibDirs([prefix]).find((dir) => existsSync(join(dir, "libtorch.so")));
    if (libDir === undefined) {
      attempts.push({
        source: "system",
        where: prefix,
        why: `no libtorch.so in ${join(prefix, "lib")} or its subfolders`,
      });
      continue;
    }
    const layout = { source: "system", includeDir: join(prefix, "include"), libDir } as const;
    const libtorch = tryLayout(layout, prefix, env, attempts);
    if (libtorch !== undefined) return libtorch;
  }
  return undefined;
}

function tryLayout(
  layout: LibTorchLayout,
  where: string,
  env: NodeJS.ProcessEnv,
  attempts: LocateAttempt[],
): LibTorch | undefined {
  const inspection = inspectLibTorch(layout, env);
  attempts.push({ source: layout.source, where, why: inspection.ok ? undefined : inspection.why });
  return inspection.ok ? inspection.libtorch : undefined;
}

/** The library folders under the given prefixes; those for one architecture come first. */
export function systemLibDirs(prefixes: readonly string[]): string[] {
  return prefixes.flatMap((prefix) => {
    const lib = join(prefix, "lib");
    const triplets = existsSync(lib) ? readdirSync(lib).filter((name) => name.includes("-linux-")) : [];
    return [...triplets.map((name) => join(lib, name)), lib, join(prefix, "lib64")];
  });
}

/** One line per attempt: the rule, what was looked at, and why it was not taken. */
export function describeAttempts(attempts: readonly LocateAttempt[]): string[] {
  return attempts.map(({ source, where, why }) => `${source} (${where}): ${why ?? "taken"}`);
}

/** The error of a search that found nothing. */
export function libtorchNotFound(env: NodeJS.ProcessEnv): NativeSetupError {
  const { attempts } = locateLibTorch({ env });
  if (env.LIBTORCH) {
    const why = attempts.at(-1)?.why ?? "it was usable a moment ago";
    return new NativeSetupError(
      "LIBTORCH_NOT_FOUND",
      `the environment variable LIBTORCH is set to ${env.LIBTORCH}, which is no usable LibTorch: ${why}; set it to a folder that contains include/ and lib/, or unset it to search elsewhere`,
    );
  }
  const tried = describeAttempts(attempts).map((line) => `  ${line}`);
  return new NativeSetupError(
    "LIBTORCH_NOT_FOUND",
    `no usable LibTorch on this machine; tried:\n${tried.join("\n")}\nset LIBTORCH to a folder that contains include/ and lib/, or see: npx dualpipe doctor`,
  );
}
