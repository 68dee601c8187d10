import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** The rule by which a LibTorch was found. */
export type LibTorchSource = "LIBTORCH" | "python3" | "system";

/** What the native build and the loader need to know about a LibTorch. */
export interface LibTorch {
  readonly source: LibTorchSource;
  readonly version: string;
  /** Folders for the compiler to search, in addition to its own. */
  readonly includeDirs: readonly string[];
  readonly libDir: string;
  readonly cxx11Abi: boolean;
  readonly cuda: boolean;
  /** Where CUDA's own headers are; without them the addon is built for CPUs only. */
  readonly cudaIncludeDir: string | undefined;
  /** Where NCCL's header is; without it tensors travel between cards of different hosts through their memory. */
  readonly ncclIncludeDir: string | undefined;
  /** True when the Gloo headers of this LibTorch are installed. */
  readonly hasGloo: boolean;
  readonly glooIncludeDir: string | undefined;
}

/** The folders in which the parts of a LibTorch are expected. */
export interface LibTorchLayout {
  readonly source: LibTorchSource;
  readonly includeDir: string;
  readonly libDir: string;
}

export type Inspection =
  | { readonly ok: true; readonly libtorch: LibTorch }
  | { readonly ok: false; readonly why: string };

const API_INCLUDE = join("torch", "csrc", "api", "include");
// LibTorch 2.9 moved the version numbers to the first file and left an #include in the second.
const VERSION_HEADERS = [join("torch", "headeronly", "version.h"), join(API_INCLUDE, "torch", "version.h")];
// Compilers search this folder anyway; naming it breaks `#include_next` in the C++ headers.
const IMPLICIT_INCLUDE_DIR = "/usr/include";

/** Reads the headers and CMake files of a LibTorch, never its binaries; `why` names the missing file. */
export function inspectLibTorch(layout: LibTorchLayout, env: NodeJS.ProcessEnv): Inspection {
  const { source, includeDir, libDir } = layout;
  const library = join(libDir, "libtorch.so");
  const dispatcher = join(includeDir, "ATen", "core", "dispatch", "Dispatcher.h");
  for (const path of [library, dispatcher]) {
    if (!existsSync(path)) return { ok: false, why: `${path} does not exist` };
  }
  const version = readVersion(includeDir);
  if (version === undefined) {
    return { ok: false, why: `no version number in ${VERSION_HEADERS.join(" or ")} of ${includeDir}` };
  }
  const glooIncludeDir = findGloo(includeDir);
  const cuda = existsSync(join(libDir, "libtorch_cuda.so"));
  const cudaIncludeDir = cuda ? findCuda(libDir, env) : undefined;
  return {
    ok: true,
    libtorch: {
      source,
      version,
      includeDirs: [includeDir, join(includeDir, API_INCLUDE)].filter((dir) => dir !== IMPLICIT_INCLUDE_DIR),
      libDir,
      cxx11Abi: readCxx11Abi(libDir),
      cuda,
      cudaIncludeDir,
      ncclIncludeDir: cudaIncludeDir === undefined ? undefined : findNccl(libDir, cudaIncludeDir),
      hasGloo: glooIncludeDir !== undefined,
      glooIncludeDir,
    },
  };
}

function readVersion(includeDir: string): string | undefined {
  const parts = /define\s+TORCH_VERSION_MAJOR\s+(\d+)[\s\S]*?_MINOR\s+(\d+)[\s\S]*?_PATCH\s+(\d+)/;
  return VERSION_HEADERS.map((header) => join(includeDir, header))
    .filter((path) => existsSync(path))
    .map((path) => parts.exec(readFileSync(path, "utf8"))?.slice(1).join("."))
    .find((version) => version !== undefined);
}

function readCxx11Abi(libDir: string): boolean {
  const candidates = [join(dirname(libDir), "share", "cmake"), join(libDir, "cmake")];
  const config = candidates
    .map((folder) => join(folder, "Torch", "TorchConfig.cmake"))
    .find((path) => existsSync(path));
  // LibTorch 2.6 and later have only the new ABI and do not mention it.
  if (config === undefined) return true;
  return !readFileSync(config, "utf8").includes("_GLIBCXX_USE_CXX11_ABI=0");
}

/** CUDA's headers: of the toolkit, or of the packages that a wheel of torch is installed with. */
function findCuda(libDir: string, env: NodeJS.ProcessEnv): string | undefined {
  const toolkits = [env.CUDA_HOME, env.CUDA_PATH, "/usr/local/cuda"].filter((path) => path !== undefined);
  const packages = join(dirname(dirname(libDir)), "nvidia");
  const folders = [
    ...toolkits.map((path) => join(path, "include")),
    join(packages, "cu13", "include"),
    join(packages, "cuda_runtime", "include"),
  ];
  return folders.find((folder) => existsSync(join(folder, "cuda_runtime_api.h")));
}

/** NCCL's header: of the package that a wheel of torch is installed with, or of the system. */
function findNccl(libDir: string, cudaIncludeDir: string): string | undefined {
  const wheel = join(dirname(dirname(libDir)), "nvidia", "nccl", "include");
  const folders = [wheel, cudaIncludeDir, IMPLICIT_INCLUDE_DIR];
  return folders.find((folder) => existsSync(join(folder, "nccl.h")));
}

function findGloo(includeDir: string): string | undefined {
  const backend = join(includeDir, "torch", "csrc", "distributed", "c10d", "ProcessGroupGloo.hpp");
  // Gloo headers from elsewhere may not match the Gloo inside this LibTorch.
  return existsSync(backend) && existsSync(join(includeDir, "gloo", "context.h")) ? includeDir : undefined;
}
