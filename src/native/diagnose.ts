/**
 * What is on this machine, what is missing, and the command that fixes it.
 *
 * A failed build says what the compiler said, which helps who knows the compiler. So the same rules that the build
 * follows are asked one by one, without building anything, and each answer is a finding: a tool, a library, the addon,
 * a card. Nothing here changes the machine.
 */
import { spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { problemOf } from "../errors/dualpipe-error.ts";
import type { Addon } from "./addon.ts";
import { defaultCache, findAddon, type NativeCache } from "./cache.ts";
import { cudaFindings } from "./diagnose-cuda.ts";
import type { LibTorch } from "./inspect.ts";
import { openAddon } from "./load.ts";
import { describeAttempts, type LocateAttempt, locateLibTorch } from "./locate.ts";
import {
  chooseBlasCommand,
  type Finding,
  findBlas,
  findCompiler,
  findInstalledOpenBlas,
  installCommand,
  missingPackages,
} from "./prerequisites.ts";
import { findProgram } from "./programs.ts";

export interface Diagnosis {
  /** True when nothing is missing. */
  readonly ok: boolean;
  readonly findings: readonly Finding[];
  readonly libtorch: LibTorch | undefined;
  readonly attempts: readonly LocateAttempt[];
}

/**
 * Examines everything that training needs on this machine. Loads the native addon, if it is built, to see that it
 * works.
 */
export function diagnose(cache: NativeCache = defaultCache()): Diagnosis {
  const { libtorch, attempts } = locateLibTorch({ env: cache.env });
  const usesSystem = libtorch === undefined ? !cache.env.LIBTORCH : libtorch.source === "system";
  const install = packageRemedy(missingPackages(usesSystem, cache.env));
  const addon = addonFinding(cache, libtorch);
  const findings: Finding[] = [
    {
      name: "Node",
      status: "ok",
      detail: `${process.version} on ${process.platform}-${process.arch}`,
    } as const,
    toolFinding("C++ compiler", findCompiler(cache.env), install),
    toolFinding("CMake", findProgram("cmake", cache.env), install),
    toolFinding("Ninja or Make", findProgram("ninja", cache.env) ?? findProgram("make", cache.env), install),
    libtorchFinding(libtorch, attempts, install),
    ...(libtorch === undefined ? [] : [glooFinding(libtorch, install)]),
    ...(usesSystem ? [blasFinding(install)] : []),
    addon.finding,
    ...cudaFindings(libtorch, addon.addon),
    { name: "Devices", status: "ok", detail: describeDevices(libtorch, addon.addon) } as const,
  ];
  return { ok: findings.every(({ status }) => status !== "missing"), findings, libtorch, attempts };
}

function packageRemedy(packages: readonly string[]): string {
  const all = ["g++", "cmake", "ninja-build", "libtorch-dev", "libgloo-dev", "libopenblas0-pthread"];
  return installCommand(packages.length === 0 ? all : packages, process.getuid?.() === 0);
}

function toolFinding(name: string, path: string | undefined, install: string): Finding {
  if (path === undefined) return { name, status: "missing", detail: "not on PATH", remedy: install };
  const version = spawnSync(path, ["--version"], { encoding: "utf8" }).stdout?.split("\n")[0];
  return { name, status: "ok", detail: version ? `${version} (${path})` : path };
}

function libtorchFinding(
  libtorch: LibTorch | undefined,
  attempts: readonly LocateAttempt[],
  install: string,
): Finding {
  const name = "LibTorch";
  if (libtorch !== undefined) {
    return {
      name,
      status: "ok",
      detail: `${libtorch.version}, by the rule "${libtorch.source}", in ${libtorch.libDir}`,
    };
  }
  const given = attempts.some(({ source, why }) => source === "LIBTORCH" && !why?.endsWith("is not set"));
  const remedy = given
    ? "set LIBTORCH to a folder with include/ and lib/, or unset it to search elsewhere"
    : `${install}, or set LIBTORCH to an unpacked LibTorch`;
  return { name, status: "missing", detail: "none that can be used", remedy };
}

function glooFinding(libtorch: LibTorch, install: string): Finding {
  const name = "Gloo";
  if (libtorch.hasGloo) return { name, status: "ok", detail: `headers in ${libtorch.glooIncludeDir}` };
  const detail = "no headers that fit this LibTorch: processes connect over TCP sockets instead";
  if (libtorch.source !== "system") return { name, status: "ok", detail };
  return { name, status: "lacking", detail, remedy: install };
}

function blasFinding(install: string): Finding {
  const name = "BLAS";
  const blas = findBlas();
  if (blas !== undefined && blas.kind !== "reference") {
    return { name, status: "ok", detail: `${blas.kind} (${blas.path})` };
  }
  const installed = findInstalledOpenBlas();
  const detail =
    blas === undefined
      ? "no libblas.so.3"
      : `the reference BLAS (${blas.path}): matrix products are about 25 times slower`;
  return { name, status: "lacking", detail, remedy: installed ? chooseBlasCommand(installed) : install };
}

function addonFinding(
  cache: NativeCache,
  libtorch: LibTorch | undefined,
): { readonly finding: Finding; readonly addon: Addon | undefined } {
  const name = "Native addon";
  const remedy = "npx dualpipe doctor --build, or start a training, which builds it";
  const path = libtorch && findAddon(cache, libtorch);
  if (path === undefined) {
    const finding = { name, status: "missing", detail: "not built yet for this LibTorch", remedy } as const;
    return { finding, addon: undefined };
  }
  try {
    const addon = openAddon(path);
    return { finding: { name, status: "ok", detail: `built and loads (${path})` }, addon };
  } catch (error) {
    return { finding: { name, status: "missing", detail: problemOf(error), remedy }, addon: undefined };
  }
}

function describeDevices(libtorch: LibTorch | undefined, addon: Addon | undefined): string {
  const cores = `${availableParallelism()} CPU cores`;
  if (libtorch === undefined) return cores;
  if (!libtorch.cuda) return `${cores}; no CUDA in this LibTorch`;
  const numCards = addon?.cuda?.numCards() ?? 0;
  return `${cores}; ${numCards === 0 ? "no card that can be used" : numCards === 1 ? "1 card" : `${numCards} cards`}`;
}

/** The whole diagnosis as text, with everything that was searched for LibTorch. */
export function describeDiagnosis(diagnosis: Diagnosis): string {
  const marks = { ok: "ok     ", lacking: "lacking", missing: "MISSING" } as const;
  const lines = diagnosis.findings.flatMap(({ name, status, detail, remedy }) => [
    `${marks[status]}  ${name.padEnd(14)} ${detail}`,
    ...(name === "LibTorch"
      ? describeAttempts(diagnosis.attempts).map((line) => `${" ".repeat(26)}${line}`)
      : []),
    ...(remedy === undefined ? [] : [`${" ".repeat(24)} fix: ${remedy}`]),
  ]);
  return `${lines.join("\n")}\n`;
}
