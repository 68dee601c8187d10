import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const PROGRAM = fileURLToPath(new URL("many-runtimes.ts", import.meta.url));
const LOADER = new URL("../register-tsx.mjs", import.meta.url).href;

function runProgram(...args: string[]) {
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    ["--import", LOADER, PROGRAM, ...args],
    { encoding: "utf8", timeout: 60_000 },
  );
  return { status, signal, lines: stdout.trim().split("\n"), stderr };
}

test("several threads of one process train at once, each as it would alone, and the process exits", () => {
  const { status, signal, lines, stderr } = runProgram("4");
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: "" });
  const [alone, ...threads] = lines;
  expect(threads).toHaveLength(4);
  expect(JSON.parse(alone!).losses).toHaveLength(20);
  expect(JSON.parse(alone!).numLeft).toBe(0);
  for (const thread of threads) expect(thread).toBe(alone);
});

test("threads that are terminated in the middle of their work do not keep the process or crash it", () => {
  const { status, signal, lines, stderr } = runProgram("3", "terminate");
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: "" });
  expect(lines.at(-1)).toBe("terminated 3");
});
