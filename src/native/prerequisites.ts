import { existsSync, realpathSync } from "node:fs";
import { basename, join } from "node:path";
import { systemLibDirs } from "./locate.ts";
import { findProgram } from "./programs.ts";

/** The BLAS that Debian's LibTorch computes matrix products with. */
export interface Blas {
  readonly path: string;
  /** The reference implementation is some 25 times slower than an optimized one. */
  readonly kind: "openblas" | "mkl" | "blis" | "atlas" | "reference";
}

/** The OpenBLAS or other library that `libblas.so.3` stands for; `undefined` when there is none. */
export function findBlas(prefixes: readonly string[] = ["/usr"]): Blas | undefined {
  const link = systemLibDirs(prefixes)
    .map((folder) => join(folder, "libblas.so.3"))
    .find((path) => existsSync(path));
  if (link === undefined) return undefined;
  const path = realpathSync(link);
  const kind = (["openblas", "mkl", "blis", "atlas"] as const).find((name) => path.includes(name));
  return { path, kind: kind ?? "reference" };
}

/** An OpenBLAS that is installed, whether or not `libblas.so.3` stands for it. */
export function findInstalledOpenBlas(prefixes: readonly string[] = ["/usr"]): string | undefined {
  return systemLibDirs(prefixes)
    .flatMap((folder) =>
      ["pthread", "openmp", "serial"].map((kind) => join(folder, `openblas-${kind}`, "libblas.so.3")),
    )
    .find((path) => existsSync(path));
}

/** The command that makes `libblas.so.3` stand for an installed OpenBLAS. */
export function chooseBlasCommand(openBlas: string): string {
  const triplet = basename(join(openBlas, "..", ".."));
  return `update-alternatives --set libblas.so.3-${triplet} ${openBlas}`;
}

/** The compiler that CMake would take. */
export function findCompiler(env: NodeJS.ProcessEnv = process.env): string | undefined {
  return findProgram(env.CXX || "c++", env) ?? findProgram("g++", env);
}

/**
 * The Debian packages that the native build still lacks.
 * With a LibTorch of the user's own choice only the build tools count: it brings its Gloo and its BLAS.
 */
export function missingPackages(usesSystemLibTorch: boolean, env: NodeJS.ProcessEnv = process.env): string[] {
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

/** The command that installs some packages on Debian or Ubuntu, to be typed by a person. */
export function installCommand(packages: readonly string[], isRoot: boolean): string {
  const sudo = isRoot ? "" : "sudo ";
  return `${sudo}apt-get update && ${sudo}apt-get install -y --no-install-recommends ${packages.join(" ")}`;
}
