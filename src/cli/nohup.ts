/**
 * Whether nohup started this program, so that the end of the terminal shall not end it.
 *
 * nohup ignores SIGHUP and replaces itself by the program. Node sets all signals back to their defaults before any
 * JavaScript runs, so the program cannot see it any more. Three marks of nohup remain:
 *
 * - bash, zsh and ksh leave the path of the command that they start in the variable `_`, which nohup does not change,
 *   nor do npx and npm.
 * - If the standard input is a terminal, nohup replaces it by /dev/null, open for writing only.
 * - A script that nohup starts keeps SIGHUP ignored, and so shows its children what Linux tells of a parent.
 *
 * Where none of them is left, as below a dash without a terminal, SIGHUP ends the run, with a checkpoint.
 */
import { readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";
import { type Environment, readEnvironment } from "../errors/environment.ts";

const SIGHUP_BIT = 1n;
const ACCESS_MODE = 3;
const WRITE_ONLY = 1;

export function wasStartedByNohup(env: Environment = readEnvironment()): boolean {
  return basename(env._ ?? "") === "nohup" || hasUnreadableInput() || parentIgnoresHangups();
}

function hasUnreadableInput(): boolean {
  const flags = matchIn("/proc/self/fdinfo/0", /^flags:\s*([0-7]+)$/m);
  if (flags === undefined || (Number.parseInt(flags, 8) & ACCESS_MODE) !== WRITE_ONLY) return false;
  return readlinkSync("/proc/self/fd/0") === "/dev/null";
}

function parentIgnoresHangups(): boolean {
  const ignored = matchIn(`/proc/${process.ppid}/status`, /^SigIgn:\s*([0-9a-f]+)$/m);
  return ignored !== undefined && (BigInt(`0x${ignored}`) & SIGHUP_BIT) !== 0n;
}

/** The group of the pattern in a file of /proc; undefined where there is none. */
function matchIn(path: string, pattern: RegExp): string | undefined {
  try {
    return pattern.exec(readFileSync(path, "utf8"))?.[1];
  } catch {
    return undefined;
  }
}
