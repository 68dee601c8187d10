// What is said of tensors that no scope owns: once, where they were made, and nothing about those that are wanted.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const PROGRAM = fileURLToPath(new URL("unowned-program.ts", import.meta.url));
const REPORT = /dualpipe: /g;

function run(name: string): { readonly stdout: string; readonly stderr: string } {
  const args = ["--expose-gc", "--import", "tsx", PROGRAM, name];
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: "utf8" });
  expect([status, stderr.match(/Error/)]).toEqual([0, null]);
  return { stdout, stderr };
}

/** `unowned-program.ts:LINE`, for the line with this comment. */
function lineOf(comment: string): string {
  const lines = readFileSync(PROGRAM, "utf8").split("\n");
  return `unowned-program.ts:${lines.findIndex((line) => line.endsWith(`// ${comment}`)) + 1}:`;
}

test.each([
  ["loop", "made in a loop", "float32[2, 3]"],
  ["escaped", "left the outermost scope", "float32[1, 2]"],
])("many in a %s are reported once, while it runs", (name, comment, what) => {
  const { stderr } = run(name);
  expect(stderr.match(REPORT)).toHaveLength(1);
  expect(stderr).toContain("201 tensors that no scope owns are alive; only dispose() frees them");
  expect(stderr).toContain(`The last one, ${what}, was made at\n    at `);
  expect(stderr.split("\n")[1]).toContain(lineOf(comment));
  expect(stderr).toContain("Put the code into runtime.scope(() => { ... })");
});

test("threads report once for all of them", () => {
  expect(run("threads").stderr.match(REPORT)).toHaveLength(1);
});

test("few that were dropped are reported when they are collected, and are not freed", () => {
  const { stdout, stderr } = run("lost");
  expect(stderr.match(REPORT)).toHaveLength(1);
  expect(stderr).toContain("a tensor float32[4] that no scope owns was dropped, and its memory is not freed");
  expect(stderr.split("\n")[1]).toContain(lineOf("lost"));
  expect(stdout).toBe("2 tensors are still there\n");
});

test("data, parameters and what is disposed are not reported", () => {
  expect(run("kept")).toEqual({ stdout: "150 0\n", stderr: "" });
});
