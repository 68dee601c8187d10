/*
 * One run at a time has a folder. Two would tear the lines of the metrics, mix checkpoints of different seeds, and each
 * would end as if all was well.
 *
 * A lock of the operating system would vanish with its process, but on shared file systems it is often not passed on to
 * other hosts. So the lock is a file that says who owns it. It must survive the crash of its owner, which removes
 * nothing. On the owner's own system that is seen at once: no process has its number and its time of start. From
 * elsewhere only a heartbeat can be seen, which is the file's time of change. Clocks of hosts differ, so the time
 * itself means nothing: a run that wants the folder watches whether it changes.
 *
 * A lock appears whole, by a link to a finished file, and is taken away by a rename. Who renamed it looks whose it was:
 * another one may have replaced the stale lock in between, and gets it back.
 *
 * Invariant: of those who want a folder, one gets it. An owner whose lock was taken over, because it hung for longer
 * than STALE_MS, ends its run.
 */
import { randomUUID } from "node:crypto";
import {
  constants,
  copyFileSync,
  existsSync,
  linkSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { fileErrorOf } from "../files/file-error.ts";
import { RunFolderError } from "./check-folder.ts";

const LOCK_FILE = ".dualpipe-run.lock";
const HEARTBEAT_MS = 5_000;
/** How long a lock of another host is watched before its owner counts as gone. */
const STALE_MS = 30_000;

/** Whose a lock is. */
interface Owner {
  /** Another one for each lock. */
  readonly id: string;
  readonly host: string;
  /** What the process can be looked up in: the running system, and its space of process numbers. */
  readonly system: string;
  readonly process: number;
  /** When the process started, which tells it from a later one with its number. */
  readonly startedAt: string;
  readonly since: string;
}

export interface RunLockOptions {
  readonly staleMs?: number | undefined;
  readonly heartbeatMs?: number | undefined;
  /** Called before it watches a lock of another host. */
  readonly onWait?: ((text: string) => void) | undefined;
}

/** The lock of a run's folder, while it is owned. */
export class RunLock implements Disposable {
  /** Aborted when another run has taken the folder over; the reason is a RunFolderError. */
  readonly lost: AbortSignal;
  readonly #path: string;
  readonly #owner: Owner;
  readonly #timer: NodeJS.Timeout;

  /** Takes the lock of a folder that exists. @throws RunFolderError OUTPUT_IN_USE, FileError */
  static async take(folder: string, options: RunLockOptions = {}): Promise<RunLock> {
    const path = join(folder, LOCK_FILE);
    const owner = ownerHere();
    while (!createLock(path, owner)) {
      const stale = await goneOwner(folder, options);
      if (stale !== undefined) removeStale(path, stale);
    }
    return new RunLock(path, owner, options.heartbeatMs ?? HEARTBEAT_MS);
  }

  /** Whether a run has the folder, or was killed while it had it. */
  static isIn(folder: string): boolean {
    return existsSync(join(folder, LOCK_FILE));
  }

  private constructor(path: string, owner: Owner, heartbeatMs: number) {
    const controller = new AbortController();
    this.lost = controller.signal;
    this.#path = path;
    this.#owner = owner;
    this.#timer = setInterval(() => {
      if (readOwner(path)?.id === owner.id) touch(path);
      else {
        clearInterval(this.#timer);
        controller.abort(lockLost(path));
      }
    }, heartbeatMs).unref();
  }

  /** Gives the folder free. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    if (readOwner(this.#path)?.id === this.#owner.id) rmSync(this.#path, { force: true });
  }
}

/**
 * The owner of a folder's lock if it is gone; undefined if there is no lock.
 * @throws RunFolderError OUTPUT_IN_USE if the owner is alive
 */
async function goneOwner(
  folder: string,
  { staleMs = STALE_MS, onWait }: RunLockOptions,
): Promise<Owner | undefined> {
  const path = join(folder, LOCK_FILE);
  const owner = readOwner(path);
  if (owner === undefined) return undefined;
  if (owner.system === systemHere()) {
    if (startOf(owner.process) === owner.startedAt) throw inUse(folder, owner);
    return owner;
  }
  onWait?.(`${folder} belongs to ${describe(owner)}; watching for ${staleMs / 1000} s whether it is alive`);
  const before = changeOf(path);
  const endMs = performance.now() + staleMs;
  while (performance.now() < endMs) {
    await new Promise((resolve) => setTimeout(resolve, Math.min(1000, staleMs / 10)));
    const now = changeOf(path);
    if (now === undefined) return undefined;
    if (now !== before) throw inUse(folder, readOwner(path) ?? owner);
  }
  return owner;
}

function inUse(folder: string, owner: Owner): RunFolderError {
  return new RunFolderError(
    "OUTPUT_IN_USE",
    `output.dir must have one run at a time; ${folder} belongs to ${describe(owner)}; ` +
      "wait for its end, stop it, or set another output.dir",
  );
}

function lockLost(path: string): RunFolderError {
  const owner = readOwner(path);
  const whose = owner === undefined ? "was removed" : `was taken over by ${describe(owner)}`;
  return new RunFolderError(
    "OUTPUT_IN_USE",
    `${path} ${whose}, as if this run had ended; it ends now, so that two runs do not mix`,
  );
}

function describe({ host, process, since }: Owner): string {
  return `a run of process ${process} on ${host}, since ${since}`;
}

function ownerHere(): Owner {
  return {
    id: randomUUID(),
    host: hostname(),
    system: systemHere(),
    process: process.pid,
    startedAt: startOf(process.pid) ?? "",
    since: new Date().toISOString(),
  };
}

/** @returns Whether the lock was free. */
function createLock(path: string, owner: Owner): boolean {
  const draft = `${path}.${owner.id}`;
  try {
    writeFileSync(draft, JSON.stringify(owner), { flag: "wx", flush: true });
    try {
      linkSync(draft, path);
    } catch (error) {
      // Some file systems have no links.
      if (!["EPERM", "ENOTSUP", "ENOSYS"].includes(codeOf(error))) throw error;
      copyFileSync(draft, path, constants.COPYFILE_EXCL);
    }
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw fileErrorOf(`${path} cannot be written`, error);
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Removes the lock of an owner that is gone, unless another one has replaced it in the meantime. */
function removeStale(path: string, stale: Owner): void {
  const aside = `${path}.${randomUUID()}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return;
    throw fileErrorOf(`${path} cannot be removed`, error);
  }
  if (readOwner(aside)?.id !== stale.id && readOwner(path) === undefined) renameSync(aside, path);
  else rmSync(aside, { force: true });
}

function readOwner(path: string): Owner | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Owner;
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return undefined;
    if (!(error instanceof SyntaxError)) throw fileErrorOf(`${path} cannot be read`, error);
    // Written by hand, or by a file system that lost it: nothing is known of its owner but the heartbeat.
    return {
      id: "",
      host: "an unknown host",
      system: "",
      process: 0,
      startedAt: "",
      since: "an unknown time",
    };
  }
}

function touch(path: string): void {
  try {
    const now = new Date();
    utimesSync(path, now, now);
  } catch {
    // A heartbeat that is late does no harm; one that stays away makes the lock stale, which the next one sees.
  }
}

function changeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs;
}

/** The running system and this process's space of numbers, as containers of one host have several. */
function systemHere(): string {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return `${boot} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return hostname();
  }
}

/** When a process started, in a form that two processes with the same number do not share; undefined if it is gone. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // After the name, which may contain anything: field 3 is the state, field 22 the time of start.
    const [state, ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return state === "Z" || state === "X" ? undefined : fields[18];
  } catch {
    return undefined;
  }
}

function codeOf(error: unknown): string {
  return String((error as NodeJS.ErrnoException).code);
}
