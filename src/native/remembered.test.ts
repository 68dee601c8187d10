import { readdirSync, readFileSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fakeLibTorch, fakePython, temporaryFolder, writeTree } from "../../test/native/fake-libtorch.ts";
import type { NativeCache } from "./cache.ts";
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
  const starts = () =>
    readFileSync(join(root, "bin", "starts"), "utf8")
      .trim()
      .split("\n").length;
  return { root, torch, cache, starts };
}

test("a LibTorch that was found once is found again without a Python", () => {
  const { cache, starts } = cacheWithPythonTorch();
  const first = locateOrRecall(cache);
  expect(first?.source).toBe("python3");
  expect(locateOrRecall(cache)).toEqual(first);
  expect(starts()).toBe(1);
});

test("a changed library, LIBTORCH or python3 is searched for again", () => {
  const { root, torch, cache, starts } = cacheWithPythonTorch();
  locateOrRecall(cache);
  utimesSync(join(torch, "lib", "libtorch.so"), 1, 1);
  locateOrRecall(cache);
  expect(starts()).toBe(2);

  const given = fakeLibTorch(join(root, "given"), { version: "2.6.0" });
  expect(locateOrRecall({ ...cache, env: { ...cache.env, LIBTORCH: given } })?.version).toBe("2.6.0");

  locateOrRecall(cache);
  fakePython(join(root, "venv"), fakeLibTorch(join(root, "other"), { version: "2.5.0" }));
  const inVenv = { ...cache, env: { PATH: `${join(root, "venv")}:${cache.env.PATH}` } };
  expect(locateOrRecall(inVenv)?.version).toBe("2.5.0");
});

test("a damaged file is ignored and LibTorch searched for again", () => {
  const { root, cache } = cacheWithPythonTorch();
  locateOrRecall(cache);
  const [name] = readdirSync(join(root, "cache"));
  writeTree(join(root, "cache"), { [name!]: "{" });
  expect(locateOrRecall(cache)?.source).toBe("python3");
});

test("projects with another LIBTORCH do not make each other search", () => {
  const { root, cache, starts } = cacheWithPythonTorch();
  const given = fakeLibTorch(join(root, "given"), { version: "2.6.0" });
  const other = { ...cache, env: { ...cache.env, LIBTORCH: given } };
  for (let round = 0; round < 3; round++) {
    expect(locateOrRecall(cache)?.source).toBe("python3");
    expect(locateOrRecall(other)?.source).toBe("LIBTORCH");
  }
  expect(starts()).toBe(1);
});
