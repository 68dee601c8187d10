/**
 * The rank threads of this process: `runRanks` starts one worker thread per rank, and ends with all their
 * results or with one error.
 *
 * When one rank fails, the others wait in transfers that will never complete, and each of them would fail in
 * turn, with an error that hides the cause. So every failure, of a rank, of another process, or by the caller's
 * signal, ends all waits at once and gives its reason. A rank whose wait is ended this way throws ABORTED, which says
 * where it was stopped and why; the error that `runRanks` reports is the first one that is not such a consequence.
 * Ranks that do not wait, because they compute, have GRACE_MS to end, and then their threads are terminated.
 *
 * Invariant: `runRanks` settles only when no rank thread is left, so the caller can free or reuse what it lent
 * them.
 */
import { Worker } from "node:worker_threads";
import { problemOf } from "../errors/dualpipe-error.ts";
import { checkDurations } from "../errors/duration.ts";
import type { Addon } from "../native/addon.ts";
import { prepareAddon } from "../native/load.ts";
import { cryptoModule } from "../native/programs.ts";
import type { Device } from "../tensor/device.ts";
import { type DeviceChoice, deviceKindOf } from "../tensor/device-choice.ts";
import { abortProcesses } from "../transport/processes/connect-processes.ts";
import { type RankRange, ReturnedRanks } from "../transport/returned-ranks.ts";
import type { ConnectedProcesses } from "./connected-processes.ts";
import { refuseInsideRank } from "./inside-rank.ts";
import type { ProcessPlacement } from "./process-placement.ts";
import { RankError } from "./rank-error.ts";
import type { RankMessage, RankThreadData } from "./rank-thread.ts";

export interface RunRanksOptions {
  readonly numRanks: number;
  /** Copied to every rank, as `structuredClone` does. */
  readonly data?: unknown;
  /**
   * The seed of the run's random numbers: each rank draws a stream of its own, by the seed and its rank. The same in
   * all processes of a run. Default: 0.
   */
  readonly seed?: number | undefined;
  /**
   * Where the ranks compute: each on a card, rank `r` of the machine on card `r` modulo the number of cards, or all on
   * the CPU. By default `auto`: on cards where there are any. Processes that share cards must be on one host.
   */
  readonly device?: DeviceChoice | undefined;
  readonly onReport?: (rank: number, value: unknown) => void;
  /** Stops all ranks when aborted; the promise then rejects with the code INTERRUPTED. */
  readonly signal?: AbortSignal | undefined;
  /** How long a rank waits for a message of another one. */
  readonly timeoutMs?: number | undefined;
  /**
   * The place of this process in a run of several, each of which makes the same call for its own ranks; or the
   * processes themselves, when they are connected already.
   */
  readonly processes?: ProcessPlacement | ConnectedProcesses | undefined;
  /** How long the processes have to join and, once one has left, to leave. Default: 300,000. */
  readonly rendezvousTimeoutMs?: number | undefined;
  /** A process is gone after this long without a heartbeat. Default: 30,000. */
  readonly heartbeatTimeoutMs?: number | undefined;
}

/** How long ranks have to end by themselves once the run has failed. */
const GRACE_MS = 5_000;

/**
 * How often the mailboxes of a failed run are closed. Once is not enough: a rank that was still loading, or
 * that continues after the error, opens new ones, and would wait in them forever.
 */
const CLOSE_INTERVAL_MS = 50;

/**
 * Runs a program on every rank, each of which is a worker thread of this process, and returns their results in
 * the order of the ranks. In a run of several processes it runs the ranks of this process and returns their
 * results.
 * @param program A module whose default export is a RankProgram.
 * @throws RankError of the rank that failed first, once no rank is running; LaunchError when the processes do
 * not find one another, or when a rank calls it; OptionError for a timeout of more than 23 days.
 *
 * @example
 * const losses = await runRanks(new URL("./rank.js", import.meta.url), { numRanks: 4 });
 */
export async function runRanks<Result>(program: URL, options: RunRanksOptions): Promise<Result[]> {
  refuseInsideRank("runRanks");
  const { timeoutMs, rendezvousTimeoutMs, heartbeatTimeoutMs } = options;
  checkDurations("runRanks", { timeoutMs, rendezvousTimeoutMs, heartbeatTimeoutMs });
  // The main thread loads the addon first, because only it can set the environment variables that LibTorch reads.
  const addon = await prepareAddon<Addon>(options.signal);
  const { processes } = options;
  if (processes === undefined)
    return new RankThreads(addon, program, options, processes).run() as Promise<Result[]>;
  // Loaded here, because few runs have several processes, and TLS and the hub take a while to load.
  const { ConnectedProcesses } = await import("./connected-processes.ts");
  if (processes instanceof ConnectedProcesses)
    return new RankThreads(addon, program, options, processes).run() as Promise<Result[]>;
  const connected = await ConnectedProcesses.connect(addon, processes, options);
  let well = false;
  try {
    const results = await new RankThreads(addon, program, options, connected).run();
    well = true;
    return results as Result[];
  } finally {
    await connected.leave({ well });
  }
}

/** The rank threads of this process, from their start until the last has ended. */
class RankThreads {
  readonly #addon: Addon;
  readonly #program: URL;
  readonly #options: RunRanksOptions;
  readonly #device: Device["kind"];
  readonly #processes: ConnectedProcesses | undefined;
  readonly #groupName = `ranks-${cryptoModule().randomUUID()}`;
  readonly #returned: ReturnedRanks;
  readonly #ranks: RankRange;
  /** The first rank of this process among those of its host. */
  readonly #firstLocalRank: number;
  readonly #workers: Worker[] = [];
  /** In the order in which they were reported. */
  readonly #errors: RankError[] = [];
  #deadline: NodeJS.Timeout | undefined;
  #closing: NodeJS.Timeout | undefined;

  constructor(
    addon: Addon,
    program: URL,
    options: RunRanksOptions,
    processes: ConnectedProcesses | undefined,
  ) {
    this.#addon = addon;
    this.#program = program;
    this.#options = options;
    this.#device = deviceKindOf(addon, options.device ?? "auto");
    this.#processes = processes;
    const { process, ranksPerProcess } = processes?.layout ?? {
      process: 0,
      ranksPerProcess: options.numRanks,
    };
    this.#firstLocalRank = (processes?.localProcess ?? 0) * ranksPerProcess;
    this.#ranks = {
      numRanks: options.numRanks,
      firstRank: process * ranksPerProcess,
      numOwnRanks: ranksPerProcess,
    };
    this.#returned = new ReturnedRanks(this.#ranks);
    processes?.onReturn((rank, sent) => this.#returned.add(rank, sent));
  }

  async run(): Promise<unknown[]> {
    const { signal } = this.#options;
    const disconnected = this.#processes?.disconnected;
    const { firstRank, numOwnRanks } = this.#ranks;
    const ended = Array.from({ length: numOwnRanks }, (_, i) => this.#start(firstRank + i));
    using _interruption = onAbort(signal, () =>
      this.#fail(new RankError(undefined, "INTERRUPTED", "the run was stopped by its signal")),
    );
    // The ranks themselves say what they were waiting for.
    using _disconnection = onAbort(disconnected, () => this.#fail(disconnected!.reason as RankError));
    try {
      const results = await Promise.all(ended);
      if (this.#errors.length > 0) throw causeAmong(this.#errors);
      return results;
    } finally {
      clearTimeout(this.#deadline);
      clearInterval(this.#closing);
      this.#addon.mailbox.close(this.#groupName, "the run has ended");
    }
  }

  #fail(error: RankError): void {
    this.#errors.push(error);
    this.#stop(error.problem);
  }

  /** Ends all waits, those of now and those that ranks begin later, and after a while the threads. */
  #stop(reason: string): void {
    const endWaits = (): void => {
      // Connected processes remember an abort, so it need not be repeated.
      if (this.#processes) abortProcesses(this.#addon, this.#processes.bridge, reason);
      else this.#addon.mailbox.close(this.#groupName, reason);
    };
    endWaits();
    if (!this.#processes) this.#closing ??= setInterval(endWaits, CLOSE_INTERVAL_MS);
    this.#deadline ??= setTimeout(() => {
      for (const worker of this.#workers) void worker.terminate();
    }, GRACE_MS);
  }

  /** Resolves with the program's result when the thread is gone. */
  #start(rank: number): Promise<unknown> {
    const worker = this.#createWorker(rank);
    this.#workers.push(worker);
    const crash = (how: string, stack?: string): void =>
      this.#fail(new RankError(rank, "CRASHED", `rank ${rank} ${how}`, stack));
    let hasEnded = false;
    let result: unknown;
    worker.on("message", (message: RankMessage) => {
      switch (message.kind) {
        case "report":
          this.#options.onReport?.(rank, message.value);
          break;
        case "result":
          hasEnded = true;
          result = message.value;
          this.#processes?.announceReturn(rank, message.sent);
          break;
        case "error":
          hasEnded = true;
          this.#fail(new RankError(rank, message.code, message.problem, message.stack, message.wait));
          break;
        default:
          message satisfies never;
      }
    });
    worker.on("error", (error) => {
      hasEnded = true;
      crash(`crashed: ${problemOf(error)}`, error.stack);
    });
    return new Promise<unknown>((resolve) => {
      worker.on("exit", (code) => {
        if (!hasEnded) crash(`ended with exit code ${code} before its program did`);
        resolve(result);
      });
    });
  }

  #createWorker(rank: number): Worker {
    const { numRanks, data, seed = 0, timeoutMs } = this.#options;
    const workerData: RankThreadData = {
      program: this.#program.href,
      groupName: this.#groupName,
      rank,
      localRank: this.#firstLocalRank + rank - this.#ranks.firstRank,
      numRanks,
      data,
      seed,
      timeoutMs,
      device: this.#device,
      returned: { ranks: this.#ranks, memory: this.#returned.memory },
      processes: this.#processes && { bridge: this.#processes.bridge, layout: this.#processes.layout },
    };
    const entry = new URL(
      import.meta.url.endsWith(".ts") ? "./rank-thread.ts" : "./rank-thread.js",
      import.meta.url,
    );
    return new Worker(entry, { workerData });
  }
}

/** Calls the listener when the signal is aborted, or now if it was; not after the disposal. */
function onAbort(signal: AbortSignal | undefined, listener: () => void): Disposable {
  signal?.addEventListener("abort", listener, { once: true });
  if (signal?.aborted) listener();
  return { [Symbol.dispose]: () => signal?.removeEventListener("abort", listener) };
}

/**
 * The first error that is not a consequence of another one. When the cause lies in another process, the ranks
 * of this one know best what it stopped, so the result tells what each of them was doing.
 */
function causeAmong(errors: readonly RankError[]): RankError {
  const stopped = errors.filter(({ isConsequence }) => isConsequence);
  const cause = errors.find(({ isConsequence }) => !isConsequence) ?? stopped[0]!;
  const isElsewhere =
    cause.isConsequence || cause.code === "DISCONNECTED" || cause.code === "HEARTBEAT_TIMEOUT";
  if (!isElsewhere || stopped.length === 0) return cause;
  const problem = stopped.map(({ problem }) => problem).join("\n  ");
  return new RankError(cause.rank, cause.code, problem, cause.rankStack, stopped[0]!.wait);
}
