import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";

/** A new folder until the end of the test, with a space in its name because paths of users have one. */
export function temporaryFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "dualpipe test-")));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function writeTree(root: string, files: Record<string, string>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}

/** The files of an unpacked LibTorch that a search looks at, without any code in them. */
export function fakeLibTorch(
  root: string,
  parts: {
    version?: string;
    versionHeader?: string;
    gloo?: boolean;
    cuda?: boolean;
    cxx11Abi?: boolean;
    libDir?: string;
  } = {},
): string {
  const libDir = parts.libDir ?? "lib";
  writeTree(root, {
    [`${libDir}/libtorch.so`]: "",
    "include/ATen/core/dispatch/Dispatcher.h": "",
    [parts.versionHeader ?? "include/torch/csrc/api/include/torch/version.h"]: versionHeader(
      parts.version ?? "2.11.0",
    ),
    ...(parts.cuda && { [`${libDir}/libtorch_cuda.so`]: "" }),
    ...(parts.gloo && {
      "include/gloo/context.h": "",
      "include/torch/csrc/distributed/c10d/ProcessGroupGloo.hpp": "",
    }),
    ...(parts.cxx11Abi !== undefined && {
      "share/cmake/Torch/TorchConfig.cmake": `set(TORCH_CXX_FLAGS "-D_GLIBCXX_USE_CXX11_ABI=${Number(parts.cxx11Abi)}")`,
    }),
  });
  return root;
}

/** An executable `python3` in a folder for PATH that answers with the given text and counts its starts. */
export function fakePython(folder: string, answer: string, status = 0): string {
  const path = join(folder, "python3");
  writeTree(folder, {
    python3: `#!/bin/sh\necho started >> "${folder}/starts"\necho "${answer}"\nexit ${status}\n`,
  });
  chmodSync(path, 0o755);
  return path;
}

function versionHeader(version: string): string {
  const parts = version.split(".");
  return ["MAJOR", "MINOR", "PATCH"]
    .map((part, index) => `/// The ${part} version.\n#define TORCH_VERSION_${part} ${parts[index]}\n`)
    .join("\n");
}
