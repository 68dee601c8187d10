import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { RunLock } from "./run-lock.ts";

const FILE = ".dualpipe-run.lock";
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "dualpipe-lock-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const inUse = (text: string) => ({ code: "OUTPUT_IN_USE", message: expect.stringContaining(text) });
const lockFile = () => JSON.parse(readFileSync(join(folder, FILE), "utf8")) as Record<string, unknown>;

/** As if another process, or one of another host, had the lock. */
function writeLock(changes: Readonly<Record<string, unknown>>): void {
  writeFileSync(join(folder, FILE), JSON.stringify({ ...template, ...changes }));
}
let template: Record<string, unknown>;
beforeEach(async () => {
  using _lock = await RunLock.take(folder);
  template = lockFile();
});

test("one owner has the folder until it gives it free", async () => {
  {
    using _lock = await RunLock.take(folder);
    await expect(RunLock.take(folder)).rejects.toMatchObject(
      inUse(`belongs to a run of process ${process.pid} on`),
    );
    await expect(RunLock.take(folder)).rejects.toMatchObject(inUse("set another output.dir"));
  }
  expect(readdirSync(folder)).toEqual([]);
});

test("the lock of a process that is gone is taken over at once, also when its number was given again", async () => {
  const { pid } = spawnSync("true");
  for (const gone of [{ process: pid }, { process: process.pid, startedAt: "1" }]) {
    writeLock({ id: "before", ...gone });
    using _lock = await RunLock.take(folder);
    expect(lockFile().process).toBe(process.pid);
    expect(lockFile().id).not.toBe("before");
  }
  expect(readdirSync(folder)).toEqual([]);
});

test("a process that was killed and not yet waited for is gone", async () => {
  // The shell becomes `sleep`, which does not wait for the child that it had.
  const parent = spawn("sh", ["-c", "sh -c 'echo $$; cut -d\\  -f22 /proc/$$/stat' & exec sleep 1000"]);
  let output = "";
  parent.stdout.on("data", (data) => {
    output += data;
  });
  while (output.split("\n").length < 3) await once(parent.stdout, "data");
  const [number, startedAt] = output.split("\n");
  while (!readFileSync(`/proc/${number}/stat`, "utf8").includes(") Z ")) await new Promise(setImmediate);
  writeLock({ process: Number(number), startedAt });
  using _lock = await RunLock.take(folder);
  parent.kill("SIGKILL");
});

test("of another host only the heartbeat is seen: the lock is taken over when it stays away", async () => {
  writeLock({ system: "elsewhere", host: "node-7", process: 1 });
  const said: string[] = [];
  using _lock = await RunLock.take(folder, { staleMs: 200, onWait: (text) => said.push(text) });
  expect(lockFile().process).toBe(process.pid);
  expect(said.join()).toContain("belongs to a run of process 1 on node-7");
});

test("and respected when it comes, whatever the clocks say", async () => {
  writeLock({ system: "elsewhere", host: "node-7", process: 1 });
  let seconds = 0;
  const heart = setInterval(() => utimesSync(join(folder, FILE), ++seconds, seconds), 20);
  await expect(RunLock.take(folder, { staleMs: 10_000 })).rejects.toMatchObject(inUse("process 1 on node-7"));
  clearInterval(heart);
});

test("an owner hears that its lock was taken over, and leaves the new one alone", async () => {
  using lock = await RunLock.take(folder, { heartbeatMs: 10 });
  writeLock({ id: "other", system: "elsewhere", host: "node-7", process: 1 });
  await new Promise((resolve) => lock.lost.addEventListener("abort", resolve, { once: true }));
  expect(lock.lost.reason).toMatchObject(inUse("was taken over by a run of process 1 on node-7"));
  lock[Symbol.dispose]();
  expect(lockFile().id).toBe("other");
});

test("a heartbeat changes the file's time", async () => {
  using _lock = await RunLock.take(folder, { heartbeatMs: 10 });
  utimesSync(join(folder, FILE), 1, 1);
  while (statSync(join(folder, FILE)).mtimeMs === 1000) await new Promise(setImmediate);
});

test("of many that want the folder of a dead owner, one gets it", async () => {
  writeLock({ system: "elsewhere", process: 1 });
  const wanted = Array.from({ length: 20 }, () => RunLock.take(folder, { staleMs: 100 }));
  const outcomes = await Promise.allSettled(wanted);
  const got = outcomes.filter(({ status }) => status === "fulfilled");
  expect(got).toHaveLength(1);
  for (const outcome of got) if (outcome.status === "fulfilled") outcome.value[Symbol.dispose]();
  expect(readdirSync(folder)).toEqual([]);
});
