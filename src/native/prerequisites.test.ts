import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder, writeTree } from "../../test/native/fake-libtorch.ts";
import {
  chooseBlasCommand,
  findBlas,
  findInstalledOpenBlas,
  installCommand,
  missingPackages,
} from "./prerequisites.ts";

const TRIPLET = "lib/x86_64-linux-gnu";

function machineWithBlas(chosen: string, ...installed: string[]) {
  const usr = temporaryFolder();
  mkdirSync(join(usr, TRIPLET), { recursive: true });
  for (const name of installed) writeTree(usr, { [`${TRIPLET}/${name}/libblas.so.3`]: "" });
  symlinkSync(join(usr, TRIPLET, chosen, "libblas.so.3"), join(usr, TRIPLET, "libblas.so.3"));
  return usr;
}

test("the BLAS behind the link is told from the slow reference one", () => {
  const fast = machineWithBlas("openblas-pthread", "openblas-pthread", "blas");
  expect(findBlas([fast])).toEqual({
    kind: "openblas",
    path: join(fast, TRIPLET, "openblas-pthread/libblas.so.3"),
  });
  const slow = machineWithBlas("blas", "openblas-pthread", "blas");
  expect(findBlas([slow])?.kind).toBe("reference");
  expect(findBlas([temporaryFolder()])).toBeUndefined();
});

test("an OpenBLAS that is installed but not chosen comes with the command that chooses it", () => {
  const usr = machineWithBlas("blas", "openblas-pthread", "blas");
  const openBlas = findInstalledOpenBlas([usr])!;
  expect(chooseBlasCommand(openBlas)).toBe(
    `update-alternatives --set libblas.so.3-x86_64-linux-gnu ${join(usr, TRIPLET)}/openblas-pthread/libblas.so.3`,
  );
  expect(findInstalledOpenBlas([machineWithBlas("blas", "blas")])).toBeUndefined();
});

test("with a LibTorch of one's own only build tools can be missing", () => {
  expect(missingPackages(false, { PATH: "" })).toEqual(["g++", "cmake", "ninja-build"]);
  expect(missingPackages(true, { PATH: "" })).toEqual(
    expect.arrayContaining(["g++", "cmake", "ninja-build"]),
  );
});

test("the command to type asks for rights only when they are needed", () => {
  expect(installCommand(["g++", "cmake"], true)).toBe(
    "apt-get update && apt-get install -y --no-install-recommends g++ cmake",
  );
  expect(installCommand(["g++"], false)).toBe(
    "sudo apt-get update && sudo apt-get install -y --no-install-recommends g++",
  );
});
