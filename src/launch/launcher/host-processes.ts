import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { EXIT_STATUS } from "../exit-status.ts";
import { HUB_VARIABLE } from "../launcher-variables.ts";
import { SECRET_VARIABLE } from "../process-placement.ts";

/** What runs on each host. */
export interface HostOptions {
  /** The program of every process, a file for Node. */
  readonly program: string;
  readonly args: readonly string[];
  readonly numProcessesPerHost: number;
  readonly numHosts: number;
  readonly hostIndex: number;
  /** How often all processes may be started again. */
  readonly maxRestarts: number;
  /** How long processes have to end by themselves after a signal. */
  readonly stopTimeoutMs?: number;
  /** How long the others have to say what they waited for, once a process has failed. */
  readonly failureGraceMs?: number;
}

/** One start of all processes: where they meet. */
export interface Attempt {
  /** 0 at first, then one more for each restart. */
  readonly number: number;
  readonly masterAddress: string;
  readonly masterPort: number;
  readonly secret: string;
}

/** How a process, or what ran on a host, ended that did not end well. */
export interface Failure {
  /** One of EXIT_STATUS, or a script's own. */
  readonly status: number;
  readonly text: string;
}

/** The descriptor of a pipe that a process inherits and that its launcher never writes to: its end is the launcher's. */
export const LAUNCHER_PIPE = 3;

const DEFAULT_STOP_TIMEOUT_MS = 30_000;
const DEFAULT_FAILURE_GRACE_MS = 5_000;

interface Started {
  readonly rank: number;
  readonly child: ChildProcess;
  /** Gave no sign of life, and was ended for that. */
  isSilent: boolean;
  readonly ended: Promise<Failure | undefined>;
}

/** The processes of this host, from one start to their end. They end when this process does, even by SIGKILL. */
export class HostProcesses {
  /** Resolves when none is left: with the failure of the one that failed for a reason of its own, if one did. */
  readonly ended: Promise<Failure | undefined>;
  readonly #options: HostOptions;
  readonly #processes: readonly Started[];
  #deadline: NodeJS.Timeout | undefined;

  /** @param onFailure Called once, when the first has failed and the others are given a while. */
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

  /** Passes a signal on; one that ends a process must end it in time. */
  signal(signal: NodeJS.Signals): void {
    this.#signal(signal);
    if (signal !== "SIGUSR1") this.#endWithin(this.#options.stopTimeoutMs ?? DEFAULT_STOP_TIMEOUT_MS);
  }

  /** Gives the processes a while to end by themselves, now that the run has failed. */
  stop(): void {
    this.#endWithin(this.#options.failureGraceMs ?? DEFAULT_FAILURE_GRACE_MS);
  }

  /** Ends a process of this host that gives no sign of life; of those of other hosts it knows nothing. */
  endSilent(rank: number): void {
    const silent = this.#processes.find((each) => each.rank === rank);
    if (silent === undefined) return;
    silent.isSilent = true;
    silent.child.kill("SIGKILL");
  }

  #endWithin(timeoutMs: number): void {
    this.#deadline ??= setTimeout(() => this.#signal("SIGKILL"), timeoutMs);
  }

  #signal(signal: NodeJS.Signals): void {
    for (const { child } of this.#processes) child.kill(signal);
  }
}

/**
 * Of several failures the one that the others follow from: an error of the user's ends its process alone, then the others
 * lose it; where somebody was waited for in vain, those who noticed first are lost to the others.
 */
export function rootOf(failures: readonly Failure[]): Failure | undefined {
  const { error, usage, timedOut } = EXIT_STATUS;
  const with_ = (...statuses: number[]) => failures.find(({ status }) => statuses.includes(status));
  return with_(error, usage) ?? with_(timedOut) ?? failures[0];
}

function start(options: HostOptions, attempt: Attempt, local: number): Started {
  const { numProcessesPerHost, hostIndex } = options;
  const rank = hostIndex * numProcessesPerHost + local;
  const watch = new URL(`./process-watch${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);
  // Only the first process's lines stand as they are.
  const output = rank === 0 ? "inherit" : "pipe";
  const child = spawn(
    process.execPath,
    [...process.execArgv, "--import", watch.href, options.program, ...options.args],
    { env: environmentOf(options, attempt, rank, local), stdio: ["ignore", output, output, "pipe"] },
  );
  const { rankFailed, timedOut } = EXIT_STATUS;
  const ended = new Promise<Failure | undefined>((resolve) => {
    child.on("error", (error) =>
      resolve({ status: rankFailed, text: `process ${rank} could not be started: ${error.message}` }),
    );
    child.on("close", (code, signal) => {
      if (code === 0) resolve(undefined);
      else if (signal === null)
        resolve({
          status: code!,
          text: `process ${rank} ended with the exit status ${describeStatus(code!)}`,
        });
      else if (started.isSilent)
        resolve({ status: timedOut, text: `process ${rank} gave no sign of life and was ended` });
      else resolve({ status: rankFailed, text: `process ${rank} was ended by ${signal}` });
    });
  });
  const started: Started = { rank, child, isSilent: false, ended };
  if (child.stdout) prefixLines(child.stdout, process.stdout, rank);
  if (child.stderr) prefixLines(child.stderr, process.stderr, rank);
  return started;
}

function describeStatus(status: number): string {
  const { rankFailed, timedOut } = EXIT_STATUS;
  const meanings: Readonly<Record<number, string>> = {
    [rankFailed]: "a rank failed",
    [timedOut]: "a time-out",
  };
  return meanings[status] === undefined ? String(status) : `${status} (${meanings[status]})`;
}

/** torchrun's variables, and where the processes meet. */
function environmentOf(
  { numProcessesPerHost, numHosts, hostIndex, maxRestarts }: HostOptions,
  { number, masterAddress, masterPort, secret }: Attempt,
  rank: number,
  local: number,
): NodeJS.ProcessEnv {
  const { TORCHELASTIC_USE_AGENT_STORE: _, ...inherited } = process.env;
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
