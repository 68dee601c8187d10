import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

const POLL_MS = 10;
const TIMEOUT_MS = 60_000;

/**
 * The child processes of a process, according to /proc. One that still has its parent's command line is not there yet:
 * until it has loaded its own program, its parent waits for it, and would wait for ever if it were stopped.
 */
export function childrenOf(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    const pids = text === "" ? [] : text.split(" ").map(Number);
    const own = commandLineOf(pid);
    return pids.filter((child) => commandLineOf(child) !== own);
  } catch {
    return [];
  }
}

/** The running processes whose command line contains this text. */
export function processesNaming(text: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && isRunning(pid) && commandLineOf(pid).includes(text));
}

function commandLineOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

/** False for a process that has ended, even if its parent has not collected its exit status yet. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** Polls until `look` returns something. @throws Error after a minute, with the text of `explain` */
export async function until<T>(
  what: string,
  look: () => T | undefined | false,
  explain: () => string = () => "",
): Promise<T> {
  const deadline = performance.now() + TIMEOUT_MS;
  for (;;) {
    const seen = look();
    if (seen !== undefined && seen !== false) return seen;
    if (performance.now() > deadline)
      throw new Error(`waited ${TIMEOUT_MS / 1000} s, and still not: ${what}\n${explain()}`);
    await delay(POLL_MS);
  }
}
