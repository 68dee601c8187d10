/**
 * The processes that one launcher starts on its host, for one attempt at the run.
 *
 * Processes must not outlive their launcher. A handler at its exit cannot promise that, because SIGKILL runs no
 * handler, and a process that is left over would keep its port and its memory. So each inherits a pipe that the
 * launcher never writes to. The kernel closes it when the launcher is gone, however it went, and process-watch.ts then
 * ends the process. Over the same pipe a process says whether it listens to SIGUSR1.
 *
 * One failure causes others: when a rank throws, its neighbours time out or see it disconnect, and which process ends
 * first is chance. The first failure therefore starts a deadline instead of a kill, so that the others can report what
 * they saw, and `rootOf` picks by kind rather than by time: a user error before a timeout, a timeout before the rest.
 *
 * Invariant: `ended` resolves after every process has ended, so the next attempt starts on an empty host.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { inheritedEnvironment } from "../../errors/environment.ts";
import { EXIT_STATUS } from "../exit-status.ts";
import { HUB_VARIABLE } from "../launcher-variables.ts";
import { SECRET_VARIABLE } from "../process-placement.ts";
import type { Attempt, Failure, HostOptions } from "./launch-options.ts";
import { LAUNCHER_PIPE, LISTENING } from "./watch-pipe.ts";

const DEFAULT_STOP_TIMEOUT_MS = 30_000;
const DEFAULT_FAILURE_GRACE_MS = 5_000;

interface StartedProcess {
  readonly rank: number;
  readonly child: ChildProcess;
  /** It was killed because it sent no heartbeat. */
  isUnresponsive: boolean;
  /** It does something else at SIGUSR1 than to open Node's debugger. */
  listensToUsr1: boolean;
  readonly ended: Promise<Failure | undefined>;
}

/** The processes of this host in one attempt. They end when the launcher does, even by SIGKILL. */
export class HostProcesses {
  /** Resolves when all have ended, with the failure that the others follow from, if there was one. */
  readonly ended: Promise<Failure | undefined>;
  readonly #options: HostOptions;
  readonly #processes: readonly StartedProcess[];
  #deadline: NodeJS.Timeout | undefined;

  /** @param onFailure Called once, when the first process has failed and the others have a while to end. */
  constructor(options: HostOptions, attempt: Attempt, onFailure: () => void) {
    this.#options = options;
    this.#processes = Array.from({ length: options.numProcessesPerHost }, (_, local) =>
      start(options, attempt, local),
    );
    this.ended = this.#watch(onFailure);
  }

  async #watch(onFailure: () => void): Promise<Failure | undefined> {
    const failures: Failure[] = [];
    await Promise.all(
      this.#processes.map(async ({ ended }) => {
        const failure = await ended;
        if (failure === undefined) return;
        if (failures.push(failure) > 1) return;
        this.stop();
        onFailure();
      }),
    );
    clearTimeout(this.#deadline);
    return rootOf(failures);
  }

  /** Passes SIGUSR1 on to the processes that listen to it. */
  askForCheckpoint(): void {
    for (const { child, listensToUsr1 } of this.#processes) if (listensToUsr1) child.kill("SIGUSR1");
  }

  /** Passes on a signal that asks a process to end; it is killed if it does not in time. */
  end(signal: NodeJS.Signals): void {
    this.#signal(signal);
    this.#endWithin(this.#options.stopTimeoutMs ?? DEFAULT_STOP_TIMEOUT_MS);
  }

  /** Gives the processes a while to end by themselves, because the run has failed. */
  stop(): void {
    this.#endWithin(this.#options.failureGraceMs ?? DEFAULT_FAILURE_GRACE_MS);
  }

  /** Kills a process that sends no heartbeats, if it is one of this host's. */
  killUnresponsive(rank: number): void {
    const unresponsive = this.#processes.find((each) => each.rank === rank);
    if (unresponsive === undefined) return;
    unresponsive.isUnresponsive = true;
    unresponsive.child.kill("SIGKILL");
  }

  #endWithin(timeoutMs: number): void {
    this.#deadline ??= setTimeout(() => this.#signal("SIGKILL"), timeoutMs);
  }

  #signal(signal: NodeJS.Signals): void {
    for (const { child } of this.#processes) child.kill(signal);
  }
}

/**
 * The failure that the others follow from. A user error ends its process, and the others then see a
 * disconnect. A timeout ends the ranks that notice it, and the others then see them disconnect. So an error
 * comes before a timeout, and a timeout before anything else. A signal to one process ends all of them: those that were
 * told by it end as if terminated, so that is the status of the run, whichever ends first.
 */
export function rootOf(failures: readonly Failure[]): Failure | undefined {
  const { error, usage, timedOut, hungUp, interrupted, terminated } = EXIT_STATUS;
  const firstWith = (...statuses: number[]) => failures.find(({ status }) => statuses.includes(status));
  const first = firstWith(error, usage) ?? firstWith(timedOut) ?? failures[0];
  const isStop = first?.status === hungUp || first?.status === interrupted;
  return isStop ? (firstWith(terminated) ?? first) : first;
}

function start(options: HostOptions, attempt: Attempt, local: number): StartedProcess {
  const { numProcessesPerHost, hostIndex } = options;
  const rank = hostIndex * numProcessesPerHost + local;
  const watch = new URL(`./process-watch${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);
  // The lines of process 0 are printed unchanged.
  const output = rank === 0 ? "inherit" : "pipe";
  const child = spawn(
    process.execPath,
    [...process.execArgv, "--import", watch.href, options.program, ...options.args],
    { env: environmentOf(options, attempt, rank, local), stdio: ["ignore", output, output, "pipe"] },
  );
  const started: StartedProcess = {
    rank,
    child,
    isUnresponsive: false,
    listensToUsr1: false,
    ended: outcomeOf(rank, child, () => started.isUnresponsive),
  };
  child.stdio[LAUNCHER_PIPE]!.on("data", (told: Buffer) => {
    started.listensToUsr1 = told.toString().endsWith(LISTENING);
  });
  if (child.stdout) prefixLines(child.stdout, process.stdout, rank);
  if (child.stderr) prefixLines(child.stderr, process.stderr, rank);
  return started;
}

function outcomeOf(
  rank: number,
  child: ChildProcess,
  isUnresponsive: () => boolean,
): Promise<Failure | undefined> {
  const { rankFailed, timedOut } = EXIT_STATUS;
  return new Promise((resolve) => {
    const fail = (status: number, how: string): void => resolve({ status, text: `process ${rank} ${how}` });
    child.on("error", (error) => fail(rankFailed, `could not be started: ${error.message}`));
    child.on("close", (code, signal) => {
      if (code === 0) resolve(undefined);
      else if (signal === null) fail(code!, `ended with exit status ${describeStatus(code!)}`);
      else if (isUnresponsive()) fail(timedOut, "sent no heartbeat and was killed");
      else fail(rankFailed, `was killed by ${signal}`);
    });
  });
}

function describeStatus(status: number): string {
  const { rankFailed, timedOut } = EXIT_STATUS;
  const meanings: Readonly<Record<number, string>> = {
    [rankFailed]: "a rank failed",
    [timedOut]: "a timeout",
  };
  return meanings[status] === undefined ? String(status) : `${status} (${meanings[status]})`;
}

/** The environment of a process: torchrun's variables, and those by which it finds the hub. */
function environmentOf(
  { numProcessesPerHost, numHosts, hostIndex, maxRestarts }: HostOptions,
  { number, masterAddress, masterPort, secret }: Attempt,
  rank: number,
  local: number,
): NodeJS.ProcessEnv {
  const { TORCHELASTIC_USE_AGENT_STORE: _, ...inherited } = inheritedEnvironment();
  return {
    ...inherited,
    RANK: String(rank),
    WORLD_SIZE: String(numHosts * numProcessesPerHost),
    LOCAL_RANK: String(local),
    LOCAL_WORLD_SIZE: String(numProcessesPerHost),
    GROUP_RANK: String(hostIndex),
    MASTER_ADDR: masterAddress,
    MASTER_PORT: String(masterPort),
    TORCHELASTIC_RESTART_COUNT: String(number),
    TORCHELASTIC_MAX_RESTARTS: String(maxRestarts),
    [HUB_VARIABLE]: "launcher",
    [SECRET_VARIABLE]: secret,
  };
}

function prefixLines(from: Readable, to: Writable, rank: number): void {
  createInterface({ input: from, crlfDelay: Number.POSITIVE_INFINITY }).on("line", (line) =>
    to.write(`[process ${rank}] ${line}\n`),
  );
}
