import { join } from "node:path";
import { expect, test } from "vitest";
import type { Diagnosis } from "../../src/native/diagnose.ts";
import { temporaryFolder } from "../native/fake-libtorch.ts";
import { runDualpipe } from "./run-dualpipe.ts";

const NAMES = ["Node", "C++ compiler", "CMake", "Ninja or Make", "LibTorch", "Native addon", "Devices"];

test("doctor finds what this machine was set up with", () => {
  const { status, stdout } = runDualpipe(["doctor", "--json"]);
  const diagnosis = JSON.parse(stdout) as Diagnosis;
  expect(diagnosis.findings.filter((finding) => finding.status === "missing")).toEqual([]);
  expect(diagnosis.findings.map(({ name }) => name)).toEqual(expect.arrayContaining(NAMES));
  expect(diagnosis.attempts.filter(({ why }) => why === undefined)).toHaveLength(1);
  expect(diagnosis.ok).toBe(true);
  expect(status).toBe(0);
});

test("without a LibTorch doctor says why and how to fix it", () => {
  const nowhere = join(temporaryFolder(), "nowhere");
  const { status, stdout } = runDualpipe(["doctor"], { LIBTORCH: nowhere });
  expect(status).toBe(1);
  expect(stdout).toMatch(/^MISSING {2}LibTorch +none that can be used$/m);
  expect(stdout).toContain(`LIBTORCH (${nowhere}): ${nowhere} does not exist`);
  expect(stdout).toContain("fix: set LIBTORCH to a folder with include/ and lib/, or unset it");
});

test("a missing compiler and CMake come with the command that installs them", () => {
  const { status, stdout } = runDualpipe(["doctor"], { PATH: temporaryFolder() });
  expect(status).toBe(1);
  expect(stdout).toMatch(/^MISSING {2}C\+\+ compiler +not on PATH\n +fix: .*apt-get install .*g\+\+ cmake/m);
});

test("a typed error is printed without a stack, and with one under DUALPIPE_DEBUG", () => {
  const env = { LIBTORCH: join(temporaryFolder(), "nowhere") };
  const plain = runDualpipe(["doctor", "--build"], env);
  expect(plain.status).toBe(1);
  expect(plain.stderr).toMatch(
    /^dualpipe: the environment variable LIBTORCH is set to .*nowhere, which is no usable LibTorch: /,
  );
  expect(plain.stderr).not.toContain("    at ");
  const debug = runDualpipe(["doctor", "--build"], { ...env, DUALPIPE_DEBUG: "1" });
  expect(debug.stderr).toContain("    at ");
});
