import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fakeLibTorch, fakePython, temporaryFolder, writeTree } from "../../test/native/fake-libtorch.ts";
import { addonKey, defaultCache, findAddon, type NativeCache, storeAddon } from "./cache.ts";
import { locateOrRecall } from "./remembered.ts";

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
  return { root, torch, cache };
}

test("an addon is found for its own sources and LibTorch only", () => {
  const { root, cache } = cacheWithPythonTorch();
  const libtorch = locateOrRecall(cache)!;
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

test("a folder that cannot be created is passed over for the next one", () => {
  const { root, cache } = cacheWithPythonTorch();
  writeTree(root, { file: "" });
  const fallback = { ...cache, folders: [join(root, "file", "inside"), join(root, "home")] };
  const libtorch = locateOrRecall(fallback)!;
  expect(storeAddon(fallback, libtorch, Buffer.from("addon"))).toContain(join(root, "home"));
  expect(readdirSync(join(root, "home"))).toContainEqual(expect.stringMatching(/^located-.*\.json$/));
});

test("when no folder can be written the message names the variable", () => {
  const { root, cache } = cacheWithPythonTorch();
  writeTree(root, { file: "" });
  const nowhere = { ...cache, folders: [join(root, "file", "inside")] };
  expect(() => locateOrRecall(nowhere)).toThrow(expect.objectContaining({ code: "CACHE_NOT_WRITABLE" }));
  expect(() => locateOrRecall(nowhere)).toThrow("set DUALPIPE_CACHE to a folder that can");
});

test("the cache is the user's, or the folder in DUALPIPE_CACHE, so that it survives a new install", () => {
  expect(defaultCache({ XDG_CACHE_HOME: "/users/cache" }).folders[0]).toBe("/users/cache/dualpipe/native");
  expect(defaultCache({ HOME: "/users" }).folders[0]).toMatch(/\/\.cache\/dualpipe\/native$/);
  const chosen = defaultCache({ DUALPIPE_CACHE: "/chosen", XDG_CACHE_HOME: "/users/cache" });
  expect(chosen.folders).toEqual(["/chosen/native"]);
});
