import { randomUUID } from "node:crypto";
import { Worker } from "node:worker_threads";
import type { Addon } from "../native/addon.ts";
import { prepareAddon } from "../native/load.ts";
import { abortProcesses } from "../transport/gloo/connect-processes.ts";
import { ConnectedProcesses } from "./connected-processes.ts";
import type { WireEnd } from "./hub/wire.ts";
import type { ProcessPlacement } from "./process-placement.ts";
import { RankError } from "./rank-error.ts";
import type { RankMessage, RankThreadData } from "./rank-thread.ts";

export interface RunRanksOptions {
  readonly numRanks: number;
  /** Copied to every rank, as `structuredClone` does. */
  readonly data?: unknown;
  readonly onReport?: (rank: number, value: unknown) => void;
  /** Stops all ranks; the promise then rejects. */
  readonly signal?: AbortSignal | undefined;
  /** How long a rank waits for another. */
  readonly timeoutMs?: number | undefined;
  /**
   * When the run has other processes, which run their ranks by the same call: this process's place among them, or the
   * processes when they have met already.
   */
  readonly processes?: ProcessPlacement | ConnectedProcesses | undefined;
  /** How long the processes have to meet, and to leave. */
  readonly rendezvousTimeoutMs?: number | undefined;
  /** After so long without a sign of life a process counts as lost. */
  readonly heartbeatTimeoutMs?: number | undefined;
}

/** How long ranks have to end by themselves once they were told to. */
const GRACE_MS = 5_000;

/** A rank that was still loading, or that goes on after the error, opens mailboxes anew, and would wait in them for ever. */
const CLOSE_AGAIN_MS = 50;

/**
 * Runs a program on every rank, each a worker thread of this process, and gives their results by rank. Of a run with
 * other processes it runs the ranks of this process.
 * @param program A module whose default export is a RankProgram.
 * @throws RankError of the rank that failed first, when no rank runs any more; LaunchError when the processes do not meet.
 *
 * @example
 * const losses = await runRanks(new URL("./rank.js", import.meta.url), { numRanks: 4 });
 */
export async function runRanks<Result>(program: URL, options: RunRanksOptions): Promise<Result[]> {
  // Loaded here first: only the main thread can set the environment that LibTorch reads.
  const addon = await prepareAddon<Addon>(options.signal);
  const { processes } = options;
  if (processes === undefined || processes instanceof ConnectedProcesses)
    return new RankThreads(addon, program, options, processes).run() as Promise<Result[]>;
  const met = await ConnectedProcesses.connect(addon, processes, options);
  let well = false;
  try {
    const results = await new RankThreads(addon, program, options, met).run();
    well = true;
    return results as Result[];
  } finally {
    await met.leave({ well });
  }
}

/** The rank threads of this process, from their start until the last has ended. */
class RankThreads {
  readonly #addon: Addon;
  readonly #program: URL;
  readonly #options: RunRanksOptions;
  readonly #met: ConnectedProcesses | undefined;
  readonly #groupName = `ranks-${randomUUID()}`;
  readonly #workers: Worker[] = [];
  /** In the order in which they came. */
  readonly #errors: RankError[] = [];
  #deadline: NodeJS.Timeout | undefined;
  #closing: NodeJS.Timeout | undefined;

  constructor(addon: Addon, program: URL, options: RunRanksOptions, met: ConnectedProcesses | undefined) {
    this.#addon = addon;
    this.#program = program;
    this.#options = options;
    this.#met = met;
  }

  async run(): Promise<unknown[]> {
    const { signal } = this.#options;
    const interrupt = (): void =>
      this.#fail(new RankError(undefined, "INTERRUPTED", "the run was stopped", undefined));
    if (this.#met) this.#met.onLost = (process, loss) => this.#lose(process, loss);
    const ended = this.#ranks().map((rank) => this.#start(rank));
    signal?.addEventListener("abort", interrupt, { once: true });
    if (signal?.aborted) interrupt();
    try {
      const results = await Promise.all(ended);
      if (this.#errors.length > 0) throw causeAmong(this.#errors);
      return results;
    } finally {
      clearTimeout(this.#deadline);
      clearInterval(this.#closing);
      signal?.removeEventListener("abort", interrupt);
      if (this.#met) this.#met.onLost = undefined;
      this.#addon.mailbox.close(this.#groupName, "the run has ended");
    }
  }

  #ranks(): number[] {
    const { process, ranksPerProcess } = this.#met?.layout ?? {
      process: 0,
      ranksPerProcess: this.#options.numRanks,
    };
    return Array.from({ length: ranksPerProcess }, (_, i) => process * ranksPerProcess + i);
  }

  #fail(error: RankError): void {
    this.#errors.push(error);
    this.#stop(error.message);
  }

  /** What each rank waited for, it says itself. */
  #lose(process: number | undefined, { isSilent, text }: WireEnd): void {
    const who = process === undefined ? "the hub of the run" : describeProcess(process, this.#met!);
    const reason = `${who} is lost: ${text}`;
    this.#fail(
      new RankError(
        undefined,
        isSilent ? "HEARTBEAT_TIMEOUT" : "DISCONNECTED",
        `dualpipe: ${reason}`,
        undefined,
      ),
    );
  }

  /** Ends all waits, now and in ranks that begin to wait later, and in a while the threads. */
  #stop(reason: string): void {
    const text = reason.replace(/^dualpipe: /, "");
    const endWaits = (): void => {
      // The processes keep an abort in mind, so that it need not be repeated.
      if (this.#met) abortProcesses(this.#addon, this.#met.bridge, text);
      else this.#addon.mailbox.close(this.#groupName, text);
    };
    endWaits();
    if (!this.#met) this.#closing ??= setInterval(endWaits, CLOSE_AGAIN_MS);
    this.#deadline ??= setTimeout(() => {
      for (const worker of this.#workers) void worker.terminate();
    }, GRACE_MS);
  }

  /** Resolves when the thread is gone, with what its program returned. */
  #start(rank: number): Promise<unknown> {
    const { numRanks, data, onReport, timeoutMs } = this.#options;
    const workerData: RankThreadData = {
      program: this.#program.href,
      groupName: this.#groupName,
      rank,
      numRanks,
      data,
      timeoutMs,
      processes: this.#met && { bridge: this.#met.bridge, layout: this.#met.layout },
    };
    const entry = new URL(
      import.meta.url.endsWith(".ts") ? "./rank-thread.ts" : "./rank-thread.js",
      import.meta.url,
    );
    const worker = new Worker(entry, { workerData });
    this.#workers.push(worker);
    const crash = (why: string, stack?: string): void =>
      this.#fail(new RankError(rank, "CRASHED", `dualpipe: rank ${rank} ${why}`, stack));
    let hasEnded = false;
    let result: unknown;
    worker.on("message", (message: RankMessage) => {
      switch (message.kind) {
        case "report":
          onReport?.(rank, message.value);
          break;
        case "result":
          hasEnded = true;
          result = message.value;
          break;
        case "error":
          hasEnded = true;
          this.#fail(new RankError(rank, message.code, message.message, message.stack));
          break;
        default:
          message satisfies never;
      }
    });
    worker.on("error", (error) => {
      hasEnded = true;
      crash(`crashed: ${error.message}`, error.stack);
    });
    return new Promise<unknown>((resolve) => {
      worker.on("exit", (code) => {
        if (!hasEnded) crash(`ended with the exit code ${code} before its program did`);
        resolve(result);
      });
    });
  }
}

function describeProcess(process: number, { layout: { ranksPerProcess } }: ConnectedProcesses): string {
  const first = process * ranksPerProcess;
  return ranksPerProcess === 1
    ? `rank ${first}`
    : `the process of the ranks ${first} to ${first + ranksPerProcess - 1}`;
}

/** The first error that does not only follow from another. Of a cause in another process, the ranks here say what it stopped. */
function causeAmong(errors: readonly RankError[]): RankError {
  const stopped = errors.filter(({ isConsequence }) => isConsequence);
  const cause = errors.find(({ isConsequence }) => !isConsequence) ?? stopped[0]!;
  const isElsewhere =
    cause.isConsequence || cause.code === "DISCONNECTED" || cause.code === "HEARTBEAT_TIMEOUT";
  if (!isElsewhere || stopped.length === 0) return cause;
  const lines = stopped.map(({ message }) => message.replace(/^dualpipe: /, ""));
  return new RankError(cause.rank, cause.code, `dualpipe: ${lines.join("\n  ")}`, cause.rankStack);
}
