import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { NativeSetupError } from "./setup-error.ts";

export interface LockOptions {
  readonly waitMsMax?: number;
  readonly pollMs?: number;
}

/** Runs `work` while no other process holds the lock file; a lock whose process has died is taken over. */
export async function withLock<T>(
  path: string,
  work: () => Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  await acquire(path, options.waitMsMax ?? 600_000, options.pollMs ?? 200);
  const release = () => rmSync(path, { force: true });
  // An interrupt ends the process without the `finally`.
  process.once("exit", release);
  try {
    return await work();
  } finally {
    process.off("exit", release);
    release();
  }
}

async function acquire(path: string, waitMsMax: number, pollMs: number): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  for (let waitedMs = 0; !tryAcquire(path); waitedMs += pollMs) {
    const holder = readHolder(path);
    if (holder !== undefined && !isAlive(holder)) {
      rmSync(path, { force: true });
    } else if (waitedMs >= waitMsMax) {
      throw new NativeSetupError(
        "BUILD_LOCKED",
        `another build of the native addon (process ${holder ?? "unknown"}) has held ${path} for over ${waitMsMax / 1000} s; end it or remove that file`,
      );
    } else {
      await delay(pollMs);
    }
  }
}

function tryAcquire(path: string): boolean {
  try {
    writeFileSync(path, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function readHolder(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, "utf8"));
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
