// Processes end well although messages are left in their mailboxes: repeated, since a destructor that runs too late did
// harm in two runs of three, and under valgrind, which sees it every time.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { freePort } from "./free-port.ts";

const PROGRAM = fileURLToPath(new URL("exiting-process.mjs", import.meta.url));
const SUPPRESSIONS = fileURLToPath(new URL("../native/valgrind.supp", import.meta.url));
const NUM_REPEATS = 5;
const hasValgrind = spawnSync("valgrind", ["--version"]).status === 0;

/** Runs both processes. @returns The status or signal of each, and what they printed. */
async function runBoth(command: (process: number) => readonly string[], env: NodeJS.ProcessEnv = {}) {
  const port = await freePort();
  const run = async (process: number) => {
    const [program, ...args] = [...command(process), PROGRAM, String(process), String(port)];
    const child: ChildProcess = spawn(program!, args, {
      env: { ...globalThis.process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout!, child.stderr!]) stream.on("data", (text) => (output += text));
    const ended = await new Promise((resolve) =>
      child.on("close", (code, signal) => resolve(signal ?? code)),
    );
    return [ended, output];
  };
  return Promise.all([run(0), run(1)]);
}

test(`two processes that leave messages to each other end well, ${NUM_REPEATS} times`, async () => {
  for (let i = 0; i < NUM_REPEATS; i++)
    expect(await runBoth(() => [process.execPath])).toEqual([
      [0, "done\n"],
      [0, "done\n"],
    ]);
});

test.skipIf(!hasValgrind)(
  "the native layer makes no memory error, from its first call to the end of the process",
  { timeout: 900_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "dualpipe-valgrind-"));
    const logOf = (process: number) => join(folder, `${process}.log`);
    const results = await runBoth(
      (process) => [
        "valgrind",
        "--error-limit=no",
        "--error-exitcode=9",
        `--suppressions=${SUPPRESSIONS}`,
        `--log-file=${logOf(process)}`,
        globalThis.process.execPath,
        // Without code that V8 makes at run time, which memcheck would check at every step.
        "--jitless",
        "--no-expose-wasm",
      ],
      // Instructions that valgrind knows.
      { ATEN_CPU_CAPABILITY: "default", OPENBLAS_CORETYPE: "HASWELL", ...preloadOf(folder) },
    );
    const logs = [0, 1].map((process) => readFileSync(logOf(process), "utf8"));
    rmSync(folder, { recursive: true });
    expect(results, logs.join("\n")).toEqual([
      [0, "done\n"],
      [0, "done\n"],
    ]);
    for (const log of logs) expect(log).toContain("ERROR SUMMARY: 0 errors from 0 contexts");
  },
);

/**
 * Highway, a library below LibTorch, reads a clock of the processor when it is loaded, which valgrind does not know on
 * processors that do not list it. There it gets a function of its own in front.
 */
function preloadOf(folder: string): NodeJS.ProcessEnv {
  if (/\brdtscp\b/.test(readFileSync("/proc/cpuinfo", "utf8"))) return {};
  const [source, library] = [join(folder, "clock.cpp"), join(folder, "clock.so")];
  writeFileSync(
    source,
    "namespace hwy { namespace platform { unsigned long TimerResolution() { return 1; } } }\n",
  );
  expect(spawnSync("c++", ["-shared", "-fPIC", "-o", library, source]).status).toBe(0);
  return { LD_PRELOAD: library };
}
