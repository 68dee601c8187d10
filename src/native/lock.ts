/**
 * One build of the native addon at a time, for all processes that share a cache folder.
 *
 * Ranks, tests and checkouts may all need the addon at once, and on a cluster the processes are on several hosts with
 * one home folder. A lock inside one process does not reach that far, and a lock of the kernel is unreliable on network
 * file systems. So the lock is a file, created exclusively, that names its holder's host and process.
 *
 * A holder that was killed cannot remove its file. On the same host, the process is looked up. On another host it
 * cannot be; there the file's age tells, as a holder refreshes it every few seconds. A stale lock is renamed before it
 * is removed: of several processes that see it, one succeeds, and one that caught a newer lock by mistake puts it back.
 */
import {
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { NativeSetupError } from "./setup-error.ts";

export interface LockOptions {
  readonly waitMsMax?: number;
  readonly pollMs?: number;
  /** Called once, when another process holds the lock, with a description of it. */
  readonly onWait?: (holder: string) => void;
}

const REFRESH_MS = 5_000;
/** A lock of another host that is older than this is stale. */
const STALE_MS = 60_000;

/**
 * Runs `work` while no other process holds the lock file.
 * @throws NativeSetupError when another process holds it for too long.
 */
export async function withLock<T>(
  path: string,
  work: () => Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  await acquire(path, options);
  const release = () => rmSync(path, { force: true });
  // A process that exits does not run the `finally`.
  process.once("exit", release);
  const refresh = setInterval(() => refreshTime(path), REFRESH_MS).unref();
  try {
    return await work();
  } finally {
    clearInterval(refresh);
    process.off("exit", release);
    release();
  }
}

async function acquire(path: string, options: LockOptions): Promise<void> {
  const { waitMsMax = 1_800_000, pollMs = 200, onWait } = options;
  mkdirSync(dirname(path), { recursive: true });
  let isWaiting = false;
  for (let waitedMs = 0; !tryAcquire(path); waitedMs += pollMs) {
    const content = readHolder(path);
    if (content !== undefined && isStale(path, content)) {
      removeStale(path, content);
      continue;
    }
    const holder = describeHolder(content);
    if (waitedMs >= waitMsMax) {
      throw new NativeSetupError(
        "BUILD_LOCKED",
        `another build of the native addon (${holder}) has held ${path} for over ${waitMsMax / 1000} s; end that process or remove that file`,
      );
    }
    if (!isWaiting) onWait?.(holder);
    isWaiting = true;
    await delay(pollMs);
  }
}

function tryAcquire(path: string): boolean {
  try {
    writeFileSync(path, `${process.pid} ${hostname()}`, { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** The content of the lock file: undefined when it is gone, or not written yet. */
function readHolder(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8") || undefined;
  } catch {
    return undefined;
  }
}

function describeHolder(content: string | undefined): string {
  const [pid, host] = content?.split(" ") ?? [];
  if (pid === undefined) return "process unknown";
  return host === undefined || host === hostname() ? `process ${pid}` : `process ${pid} on ${host}`;
}

function isStale(path: string, content: string): boolean {
  const [pid, host] = content.split(" ");
  if (host === undefined || host === hostname()) return !isAlive(Number(pid));
  const { mtimeMs } = statSync(path, { throwIfNoEntry: false }) ?? { mtimeMs: Date.now() };
  return Date.now() - mtimeMs > STALE_MS;
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function removeStale(path: string, content: string): void {
  const taken = `${path}.${process.pid}`;
  try {
    renameSync(path, taken);
    if (readFileSync(taken, "utf8") !== content) linkSync(taken, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT" && code !== "EEXIST") throw error;
  } finally {
    rmSync(taken, { force: true });
  }
}

function refreshTime(path: string): void {
  const now = new Date();
  try {
    utimesSync(path, now, now);
  } catch {
    // The file was removed by hand, as the message of a long wait advises.
  }
}
