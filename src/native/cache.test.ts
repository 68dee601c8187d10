import { existsSync, readFileSync, rmSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fakeLibTorch, fakePython, temporaryFolder, writeTree } from "../../test/native/fake-libtorch.ts";
import { addonKey, findAddon, locateWithMemo, type NativeCache, storeAddon } from "./cache.ts";

function cacheWithPythonTorch() {
  const root = temporaryFolder();
  const torch = fakeLibTorch(join(root, "site", "torch"));
  fakePython(join(root, "bin"), torch);
  writeTree(join(root, "native"), { "a.cpp": "int a;" });
  const cache: NativeCache = {
    folders: [join(root, "cache")],
    sources: join(root, "native"),
    env: { PATH: join(root, "bin") },
  };
  const starts = () =>
    readFileSync(join(root, "bin", "starts"), "utf8")
      .trim()
      .split("\n").length;
  return { root, torch, cache, starts };
}

test("a second search starts no python", () => {
  const { cache, starts } = cacheWithPythonTorch();
  const first = locateWithMemo(cache);
  expect(first?.source).toBe("python3");
  expect(locateWithMemo(cache)).toEqual(first);
  expect(starts()).toBe(1);
});

test("a changed library, LIBTORCH or python3 is searched afresh", () => {
  const { root, torch, cache, starts } = cacheWithPythonTorch();
  locateWithMemo(cache);
  utimesSync(join(torch, "lib", "libtorch.so"), 1, 1);
  locateWithMemo(cache);
  expect(starts()).toBe(2);

  const given = fakeLibTorch(join(root, "given"), { version: "2.6.0" });
  expect(locateWithMemo({ ...cache, env: { ...cache.env, LIBTORCH: given } })?.version).toBe("2.6.0");

  locateWithMemo(cache);
  fakePython(join(root, "venv"), fakeLibTorch(join(root, "other"), { version: "2.5.0" }));
  const inVenv = { ...cache, env: { PATH: `${join(root, "venv")}:${cache.env.PATH}` } };
  expect(locateWithMemo(inVenv)?.version).toBe("2.5.0");
});

test("a damaged memo is searched afresh", () => {
  const { root, cache } = cacheWithPythonTorch();
  locateWithMemo(cache);
  writeTree(join(root, "cache"), { "located.json": "{" });
  expect(locateWithMemo(cache)?.source).toBe("python3");
});

test("an addon is found for its own sources and LibTorch only", () => {
  const { root, cache } = cacheWithPythonTorch();
  const libtorch = locateWithMemo(cache)!;
  const path = storeAddon(cache, libtorch, Buffer.from("addon"));
  expect(findAddon(cache, libtorch)).toBe(path);
  expect(findAddon(cache, { ...libtorch, version: "2.12.0" })).toBeUndefined();
  expect(findAddon(cache, { ...libtorch, cxx11Abi: !libtorch.cxx11Abi })).toBeUndefined();
  expect(findAddon(cache, { ...libtorch, libDir: "/elsewhere" })).toBeUndefined();

  const before = addonKey(cache, libtorch);
  writeTree(root, { "native/a.cpp": "int b;" });
  expect(addonKey(cache, libtorch)).not.toBe(before);
  expect(findAddon(cache, libtorch)).toBeUndefined();
  writeTree(root, { "native/a.cpp": "int a;" });
  expect(findAddon(cache, libtorch)).toBe(path);
  rmSync(path);
  expect(findAddon(cache, libtorch)).toBeUndefined();
});

test("a folder that cannot be made is passed over for the next one", () => {
  const { root, cache } = cacheWithPythonTorch();
  writeTree(root, { file: "" });
  const fallback = { ...cache, folders: [join(root, "file", "inside"), join(root, "home")] };
  const libtorch = locateWithMemo(fallback)!;
  expect(storeAddon(fallback, libtorch, Buffer.from("addon"))).toContain(join(root, "home"));
  expect(existsSync(join(root, "home", "located.json"))).toBe(true);
});
