import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fakeLibTorch, fakePython, temporaryFolder, writeTree } from "../../test/native/fake-libtorch.ts";
import { describeAttempts, locateLibTorch } from "./locate.ts";

function emptyMachine() {
  const root = temporaryFolder();
  const at = (...parts: string[]) => join(root, ...parts);
  for (const folder of ["bin", "usr/lib"]) mkdirSync(at(folder), { recursive: true });
  const options = {
    env: { PATH: at("bin") },
    systemPrefixes: [at("usr")],
    systemPython: at("usr/bin/python3"),
  };
  return { at, options };
}

test("LIBTORCH wins over a python3 and the system", () => {
  const { at, options } = emptyMachine();
  fakeLibTorch(at("given"), { version: "2.9.1", cuda: true, cxx11Abi: false });
  fakeLibTorch(at("usr"));
  fakePython(at("bin"), fakeLibTorch(at("site/torch")));
  writeTree(at("toolkit"), { "include/cuda_runtime_api.h": "" });
  const env = { ...options.env, LIBTORCH: at("given"), CUDA_HOME: at("toolkit") };
  const { libtorch } = locateLibTorch({ ...options, env });
  expect(libtorch).toEqual({
    source: "LIBTORCH",
    version: "2.9.1",
    includeDirs: [at("given/include"), at("given/include/torch/csrc/api/include")],
    libDir: at("given/lib"),
    cxx11Abi: false,
    cuda: true,
    cudaIncludeDir: at("toolkit/include"),
    hasGloo: false,
    glooIncludeDir: undefined,
  });
});

test("the headers of CUDA are those of the toolkit, or of the packages next to a wheel", () => {
  const { at, options } = emptyMachine();
  const torch = fakeLibTorch(at("site/torch"), { cuda: true });
  writeTree(at("toolkit"), { "include/cuda_runtime_api.h": "" });
  writeTree(at("site"), { "nvidia/cu13/include/cuda_runtime_api.h": "" });
  const locate = (env: NodeJS.ProcessEnv) =>
    locateLibTorch({ ...options, env: { ...options.env, LIBTORCH: torch, ...env } }).libtorch?.cudaIncludeDir;
  expect(locate({ CUDA_HOME: at("toolkit") })).toBe(at("toolkit/include"));
  expect([at("site/nvidia/cu13/include"), "/usr/local/cuda/include"]).toContain(locate({}));
  fakeLibTorch(at("cpu"));
  expect(locate({ LIBTORCH: at("cpu"), CUDA_HOME: at("toolkit") })).toBeUndefined();
});

test("the header of NCCL is that next to a wheel, and needs those of CUDA", () => {
  const { at, options } = emptyMachine();
  const torch = fakeLibTorch(at("site/torch"), { cuda: true });
  writeTree(at("toolkit"), { "include/cuda_runtime_api.h": "" });
  const env = { ...options.env, LIBTORCH: torch, CUDA_HOME: at("toolkit") };
  const locate = () => locateLibTorch({ ...options, env }).libtorch?.ncclIncludeDir;
  const before = locate();
  expect(before === undefined || before === "/usr/include").toBe(true);
  writeTree(at("site"), { "nvidia/nccl/include/nccl.h": "" });
  expect(locate()).toBe(at("site/nvidia/nccl/include"));
  fakeLibTorch(at("cpu"));
  expect(
    locateLibTorch({ ...options, env: { ...env, LIBTORCH: at("cpu") } }).libtorch?.ncclIncludeDir,
  ).toBeUndefined();
});

test("an unusable LIBTORCH is an error, never replaced in silence", () => {
  const { at, options } = emptyMachine();
  fakeLibTorch(at("usr"));
  const result = locateLibTorch({ ...options, env: { ...options.env, LIBTORCH: at("nowhere") } });
  expect(result.libtorch).toBeUndefined();
  expect(result.attempts).toHaveLength(1);
  expect(result.attempts[0]?.why).toBe(`${at("nowhere")} does not exist`);
});

test("a python3 with torch wins over the system", () => {
  const { at, options } = emptyMachine();
  fakeLibTorch(at("usr"));
  fakePython(at("bin"), fakeLibTorch(at("site/torch"), { gloo: true }));
  const { libtorch } = locateLibTorch(options);
  expect(libtorch).toMatchObject({
    source: "python3",
    libDir: at("site/torch/lib"),
    hasGloo: true,
    cxx11Abi: true,
  });
});

test("the system's python3 is asked when the first on PATH has no torch", () => {
  const { at, options } = emptyMachine();
  fakePython(at("bin"), "");
  fakePython(at("usr/bin"), fakeLibTorch(at("site/torch")));
  expect(locateLibTorch(options).libtorch?.source).toBe("python3");
});

test("a distribution's torch for Python, which has no headers, leaves the choice to the system", () => {
  const { at, options } = emptyMachine();
  fakeLibTorch(at("usr"), { version: "1.13.0", libDir: "lib/x86_64-linux-gnu", gloo: true });
  mkdirSync(at("site/torch/lib"), { recursive: true });
  symlinkSync(at("usr/lib/x86_64-linux-gnu/libtorch.so"), at("site/torch/lib/libtorch.so"));
  fakePython(at("bin"), at("site/torch"));
  const { libtorch, attempts } = locateLibTorch(options);
  expect(libtorch).toMatchObject({ source: "system", version: "1.13.0", hasGloo: true });
  expect(describeAttempts(attempts).join("\n")).toContain("is the system's LibTorch without headers");
});

test("when there is none, every place says why not", () => {
  const { at, options } = emptyMachine();
  fakePython(at("bin"), "", 3);
  const { libtorch, attempts } = locateLibTorch(options);
  expect(libtorch).toBeUndefined();
  expect(describeAttempts(attempts)).toEqual([
    "LIBTORCH (the environment): LIBTORCH is not set",
    `python3 (${at("bin/python3")}): it did not answer: exit status 3`,
    `system (${at("usr")}): no libtorch.so in ${at("usr/lib")} or its subfolders`,
  ]);
});

test("a LibTorch without headers names the header that is missing", () => {
  const { at, options } = emptyMachine();
  writeTree(at("usr"), { "lib/libtorch.so": "" });
  const { attempts } = locateLibTorch(options);
  expect(attempts.at(-1)?.why).toBe(`${at("usr/include/ATen/core/dispatch/Dispatcher.h")} does not exist`);
});

test("Gloo headers without LibTorch's own part of Gloo do not count", () => {
  const { at, options } = emptyMachine();
  fakeLibTorch(at("usr"));
  writeTree(at("usr"), { "include/gloo/context.h": "" });
  expect(locateLibTorch(options).libtorch).toMatchObject({ hasGloo: false, glooIncludeDir: undefined });
});

test("the version is read where LibTorch 2.9 and later keep it", () => {
  const { at, options } = emptyMachine();
  fakeLibTorch(at("usr"), { version: "2.12.1", versionHeader: "include/torch/headeronly/version.h" });
  writeTree(at("usr"), {
    "include/torch/csrc/api/include/torch/version.h": "#include <torch/headeronly/version.h>",
  });
  expect(locateLibTorch(options).libtorch?.version).toBe("2.12.1");
});
