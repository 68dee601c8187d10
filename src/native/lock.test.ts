import { spawnSync } from "node:child_process";
import { existsSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../test/native/fake-libtorch.ts";
import { withLock } from "./lock.ts";

const path = () => join(temporaryFolder(), "build.lock");

test("two pieces of work under one lock never run at once", async () => {
  const lock = path();
  let running = 0;
  const work = async () => {
    running += 1;
    expect(running).toBe(1);
    await new Promise((resolve) => setImmediate(resolve));
    running -= 1;
  };
  await Promise.all([1, 2, 3].map(() => withLock(lock, work, { pollMs: 1 })));
  expect(existsSync(lock)).toBe(false);
});

test("a lock is freed when the work fails", async () => {
  const lock = path();
  const failing = withLock(lock, () => Promise.reject(new Error("no disk")));
  await expect(failing).rejects.toThrow("no disk");
  expect(existsSync(lock)).toBe(false);
});

test("the lock of a process that has ended is taken over", async () => {
  const lock = path();
  const ended = spawnSync(process.execPath, ["-e", ""]);
  writeFileSync(lock, String(ended.pid));
  expect(await withLock(lock, async () => "done", { waitMsMax: 0 })).toBe("done");
});

test("several processes that wait for one that has ended never run at once", async () => {
  const lock = path();
  writeFileSync(lock, `${spawnSync(process.execPath, ["-e", ""]).pid} ${hostname()}`);
  let running = 0;
  const work = async () => {
    running += 1;
    expect(running).toBe(1);
    await new Promise((resolve) => setImmediate(resolve));
    running -= 1;
  };
  await Promise.all([1, 2, 3].map(() => withLock(lock, work, { pollMs: 1 })));
  expect(existsSync(lock)).toBe(false);
});

test("the lock of another host is respected while it is refreshed, and taken over when it is old", async () => {
  const lock = path();
  writeFileSync(lock, "1 another-host");
  const holders: string[] = [];
  const options = { waitMsMax: 0, onWait: (holder: string) => holders.push(holder) };
  await expect(withLock(lock, async () => "done", options)).rejects.toThrow("process 1 on another-host");
  const old = new Date(Date.now() - 3_600_000);
  utimesSync(lock, old, old);
  expect(await withLock(lock, async () => "done", options)).toBe("done");
});

test("the wait for a live process has a limit and names the file", async () => {
  const lock = path();
  writeFileSync(lock, String(process.pid));
  const waiting = withLock(lock, async () => "done", { waitMsMax: 0 });
  await expect(waiting).rejects.toMatchObject({
    code: "BUILD_LOCKED",
    message: expect.stringContaining(lock),
  });
});
