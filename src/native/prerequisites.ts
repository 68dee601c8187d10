import { existsSync, realpathSync } from "node:fs";
import { basename, join } from "node:path";
import { readEnvironment } from "../errors/environment.ts";
import { systemLibDirs } from "./locate.ts";
import { findProgram } from "./programs.ts";

/** One thing that dualpipe needs or benefits from. */
export interface Finding {
  readonly name: string;
  /** What is `lacking` costs speed or features; nothing trains while anything is `missing`. */
  readonly status: "ok" | "lacking" | "missing";
  readonly detail: string;
  /** How to fix it: a command, or what to do. */
  readonly remedy?: string;
}

/** The BLAS library with which Debian's LibTorch computes matrix products. */
export interface Blas {
  readonly path: string;
  /** The reference implementation is about 25 times slower than the others. */
  readonly kind: "openblas" | "mkl" | "blis" | "atlas" | "reference";
}

/** The library that the link `libblas.so.3` points to; `undefined` when there is none. */
export function findBlas(prefixes: readonly string[] = ["/usr"]): Blas | undefined {
  const link = systemLibDirs(prefixes)
    .map((folder) => join(folder, "libblas.so.3"))
    .find((path) => existsSync(path));
  if (link === undefined) return undefined;
  const path = realpathSync(link);
  const kind = (["openblas", "mkl", "blis", "atlas"] as const).find((name) => path.includes(name));
  return { path, kind: kind ?? "reference" };
}

/** An installed OpenBLAS, whether or not `libblas.so.3` points to it. */
export function findInstalledOpenBlas(prefixes: readonly string[] = ["/usr"]): string | undefined {
  return systemLibDirs(prefixes)
    .flatMap((folder) =>
      ["pthread", "openmp", "serial"].map((kind) => join(folder, `openblas-${kind}`, "libblas.so.3")),
    )
    .find((path) => existsSync(path));
}

/** The command that makes `libblas.so.3` point to an installed OpenBLAS. */
export function chooseBlasCommand(openBlas: string): string {
  const triplet = basename(join(openBlas, "..", ".."));
  return `update-alternatives --set libblas.so.3-${triplet} ${openBlas}`;
}

/** The compiler that CMake would use. */
export function findCompiler(env = readEnvironment()): string | undefined {
  return findProgram(env.CXX ?? "c++", env) ?? findProgram("g++", env);
}

/**
 * The Debian packages that the native build still needs.
 * Only build tools are needed for a LibTorch that the user chose: it includes Gloo and a BLAS.
 */
export function missingPackages(usesSystemLibTorch: boolean, env = readEnvironment()): string[] {
  const hasMaker = findProgram("ninja", env) ?? findProgram("make", env);
  const tools = [
    findCompiler(env) === undefined && "g++",
    findProgram("cmake", env) === undefined && "cmake",
    hasMaker === undefined && "ninja-build",
  ];
  const libraries = usesSystemLibTorch
    ? [
        !existsSync("/usr/include/ATen") && "libtorch-dev",
        !existsSync("/usr/include/gloo/context.h") && "libgloo-dev",
        (findBlas()?.kind ?? "reference") === "reference" &&
          findInstalledOpenBlas() === undefined &&
          "libopenblas0-pthread",
      ]
    : [];
  return [...tools, ...libraries].filter((name) => name !== false);
}

/** The command for a user to type that installs packages on Debian or Ubuntu. */
export function installCommand(packages: readonly string[], isRoot: boolean): string {
  const sudo = isRoot ? "" : "sudo ";
  return `${sudo}apt-get update && ${sudo}apt-get install -y --no-install-recommends ${packages.join(" ")}`;
}
