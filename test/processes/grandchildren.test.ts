// What a run's processes start in turn ends with them, and does not hold up the launcher.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { processesNaming, until } from "../faults/processes.ts";
import { startDualpipe } from "./start-launcher.ts";

const SCRIPT = fileURLToPath(new URL("./grandchild-script.mjs", import.meta.url));

let marker = "";
let numRuns = 0;

function launch(how: string, options: readonly string[] = []) {
  marker = `grandchild-${process.pid}-${numRuns++}`;
  return startDualpipe(["launch", "--nproc-per-node", "2", ...options, SCRIPT, how, marker]);
}

afterEach(() => {
  for (const pid of processesNaming(marker)) process.kill(pid, "SIGKILL");
});

test.each([
  ["fail", [], 5],
  ["succeed", [], 0],
  ["restart", ["--max-restarts", "1"], 0],
])("when a process with a child of its own does %s, the child ends with it", async (how, options, status) => {
  expect((await launch(how, options).ended).status).toBe(status);
  expect(processesNaming(marker)).toEqual([]);
});

test("a daemon that holds the output of a process does not hold up the launcher", async () => {
  expect((await launch("daemon").ended).status).toBe(5);
  expect(processesNaming(marker)).toHaveLength(1);
});

test.each(["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"] as const)(
  "%s of the launcher ends what its processes have started",
  async (signal) => {
    const { child, ended } = launch("stay");
    await once(child.stdout, "data");
    child.kill(signal);
    await ended;
    await until("all have ended", () => processesNaming(marker).length === 0);
  },
);

test("Ctrl-Z stops what the processes have started, and they go on with the launcher", async () => {
  const { child, ended } = launch("stay");
  await once(child.stdout, "data");
  const pids = processesNaming(marker);
  const numStopped = () =>
    pids.filter((pid) => /^State:\s+T/m.test(readFileSync(`/proc/${pid}/status`, "utf8"))).length;
  child.kill("SIGTSTP");
  await until("all are stopped", () => numStopped() === pids.length);
  child.kill("SIGCONT");
  await until("all go on", () => numStopped() === 0);
  child.kill("SIGTERM");
  await ended;
});

test("a program that a process forks has its channel", async () => {
  expect((await launch("fork").ended).status).toBe(0);
});
