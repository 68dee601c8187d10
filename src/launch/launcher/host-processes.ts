/**
 * The processes that one launcher starts on its host, for one attempt at the run.
 *
 * Processes must not outlive their launcher. A handler at its exit cannot promise that, because SIGKILL runs no
 * handler, and a process that is left over would keep its port and its memory. So each inherits a pipe that the
 * launcher never writes to. The kernel closes it when the launcher is gone, however it went, and process-watch.ts then
 * ends the process with all that it has started (launched-process.ts). Over the same pipe a process says whether it
 * listens to SIGUSR1.
 *
 * One failure causes others: when a rank throws, its neighbours time out or see it disconnect, and which process ends
 * first is chance. The first failure therefore starts a deadline instead of a kill, so that the others can report what
 * they saw, and `rootOf` picks by kind rather than by time: a user error before a timeout, a timeout before the rest.
 *
 * Invariant: `ended` resolves after every process has ended, so the next attempt starts on an empty host.
 */

import { inheritedEnvironment } from "../../errors/environment.ts";
import { EXIT_STATUS } from "../exit-status.ts";
import { HUB_VARIABLE } from "../launcher-variables.ts";
import { SECRET_VARIABLE } from "../process-placement.ts";
import type { Attempt, Failure, HostOptions } from "./launch-options.ts";
import { LaunchedProcess } from "./launched-process.ts";

const DEFAULT_STOP_TIMEOUT_MS = 30_000;
const DEFAULT_FAILURE_GRACE_MS = 5_000;

/** The processes of this host in one attempt. They end when the launcher does, even by SIGKILL. */
export class HostProcesses {
  /** Resolves when all have ended, with the failure that the others follow from, if there was one. */
  readonly ended: Promise<Failure | undefined>;
  readonly #options: HostOptions;
  readonly #processes: readonly LaunchedProcess[];
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
      this.#processes.map(async ({ exited, ended }) => {
        const failure = await exited;
        if (failure !== undefined && failures.push(failure) === 1) {
          this.stop();
          onFailure();
        }
        await ended;
      }),
    );
    clearTimeout(this.#deadline);
    return rootOf(failures);
  }

  /** Passes SIGUSR1 on to the processes that listen to it. */
  askForCheckpoint(): void {
    for (const each of this.#processes) each.askForCheckpoint();
  }

  /** Passes on a signal that asks a process to end; it is killed if it does not in time. */
  end(signal: NodeJS.Signals): void {
    this.pass(signal);
    this.#endWithin(this.#options.stopTimeoutMs ?? DEFAULT_STOP_TIMEOUT_MS);
  }

  /** Passes on a signal, such as one that stops the processes for a while or lets them continue. */
  pass(signal: NodeJS.Signals): void {
    for (const each of this.#processes) each.signal(signal);
  }

  /** Gives the processes a while to end by themselves, because the run has failed. */
  stop(): void {
    this.#endWithin(this.#options.failureGraceMs ?? DEFAULT_FAILURE_GRACE_MS);
  }

  /** Kills a process that sends no heartbeats, if it is one of this host's. */
  killUnresponsive(rank: number): void {
    this.#processes.find((each) => each.rank === rank)?.killUnresponsive();
  }

  #endWithin(timeoutMs: number): void {
    this.#deadline ??= setTimeout(() => {
      for (const each of this.#processes) each.kill();
    }, timeoutMs);
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

function start(options: HostOptions, attempt: Attempt, local: number): LaunchedProcess {
  const { numProcessesPerHost, hostIndex, program, args } = options;
  const rank = hostIndex * numProcessesPerHost + local;
  return new LaunchedProcess(rank, [program, ...args], environmentOf(options, attempt, rank, local));
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
