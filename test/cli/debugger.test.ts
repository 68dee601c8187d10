import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { startDualpipe } from "../processes/start-launcher.ts";

// At SIGUSR1, Node opens its debugger in a program that does not listen to the signal.

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const RECORDER = new URL("../package/record-loads.mjs", import.meta.url).href;
const SCRIPT = fileURLToPath(new URL("./signalled-script.mjs", import.meta.url));

const moduleOf = (code: string) => `data:text/javascript,${encodeURIComponent(code)}`;

/** Runs the built command line after some code. */
function runAfter(options: readonly string[], code: string, args: readonly string[]): string {
  const all = [...options, "--import", moduleOf(code), MAIN, ...args];
  const { stdout, stderr } = spawnSync(process.execPath, all, { encoding: "utf8" });
  return stdout + stderr;
}

test("a command listens to SIGUSR1 before it loads anything", () => {
  const code = `
    import { writeSync } from "node:fs";
    process.on("newListener", (name) => name === "SIGUSR1" && writeSync(1, "it listens\\n"));`;
  const lines = runAfter(["--import", RECORDER], code, ["train", "--help"]).split("\n");
  const first = lines.findIndex((line) => line.endsWith("/cli/main.js"));
  expect(lines[first + 1]).toBe("it listens");
});

/** Sends SIGUSR1 as if it came while Node starts, and prints at the end whether the debugger is open. */
const SIGNALLED = `
  import { url } from "node:inspector";
  process.kill(process.pid, "SIGUSR1");
  while (url() === undefined) await new Promise(setImmediate);
  process.on("exit", () => console.log("the debugger is " + (url() ? "open" : "closed")));`;

test("a debugger that the signal has opened before is closed, one that was asked for is not", () => {
  const run = (option: string) => runAfter([option], SIGNALLED, ["train", "--help"]);
  expect(run("--inspect-port=0")).toContain("the debugger is closed");
  expect(run("--inspect=0")).toContain("the debugger is open");
});

const launchers: { kill(signal: NodeJS.Signals): boolean }[] = [];
afterEach(() => {
  for (const launcher of launchers.splice(0)) launcher.kill("SIGKILL");
});

test("a launcher passes SIGUSR1 on to the processes of a script that listen, and to no others", async () => {
  const { child, ended } = startDualpipe(["launch", "--nproc-per-node", "3", SCRIPT]);
  launchers.push(child);
  let output = "";
  child.stdout.on("data", (data) => {
    output += data;
  });
  const until = async (pattern: RegExp) => {
    while (!pattern.test(output)) await once(child.stdout, "data");
  };
  await until(/(ready[\s\S]*){3}/);
  child.kill("SIGUSR1");
  await until(/\[process 2] told/);
  child.kill("SIGTERM");
  const { stdout } = await ended;
  expect(
    stdout
      .split("\n")
      .filter((line) => /debugger|told/.test(line))
      .sort(),
  ).toEqual([
    "[process 1] debugger: undefined",
    "[process 2] debugger: undefined",
    "[process 2] told",
    "debugger: undefined",
  ]);
});
