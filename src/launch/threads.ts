import { randomUUID } from "node:crypto";
import { Worker } from "node:worker_threads";
import type { Addon } from "../native/addon.ts";
import { loadAddon } from "../native/load.ts";
import { abortProcesses, type ProcessPlacement } from "../transport/c10d.ts";
import { RankError } from "./rank-error.ts";
import type { RankMessage, RankThreadData } from "./rank-thread.ts";

export interface RunRanksOptions {
  readonly numRanks: number;
  /** Copied to every rank, as `structuredClone` does. */
  readonly data?: unknown;
  readonly onReport?: (rank: number, value: unknown) => void;
  /** Stops all ranks; the promise then rejects. */
  readonly signal?: AbortSignal;
  /** How long a rank waits for another. */
  readonly timeoutMs?: number;
  /** When the run has other processes, which run their ranks by the same call: this process's place among them. */
  readonly processes?: ProcessPlacement | undefined;
}

/** How long ranks have to end by themselves once they were told to. */
const GRACE_MS = 5_000;

/** A rank that was still loading, or that goes on after the error, opens mailboxes anew, and would wait in them for ever. */
const CLOSE_AGAIN_MS = 50;

/**
 * Runs a program on every rank, each a worker thread of this process, and gives their results by rank. Of a run with
 * other processes it runs the ranks of this process.
 * @param program A module whose default export is a RankProgram.
 * @throws RankError of the rank that failed first, when no rank runs any more.
 *
 * @example
 * const losses = await runRanks(new URL("./rank.js", import.meta.url), { numRanks: 4 });
 */
export async function runRanks<Result>(program: URL, options: RunRanksOptions): Promise<Result[]> {
  const { signal, processes } = options;
  // Loaded here first: only the main thread can set the environment that LibTorch reads.
  const addon = loadAddon<Addon>();
  const groupName = `ranks-${randomUUID()}`;
  const endWaits = (reason: string): void => {
    if (processes === undefined) addon.mailbox.close(groupName, reason);
    // The processes keep an abort in mind, so that it need not be repeated.
    else if (abortProcesses(addon, processes, reason)) clearInterval(closing);
  };
  let firstError: RankError | undefined;
  let deadline: NodeJS.Timeout | undefined;
  let closing: NodeJS.Timeout | undefined;
  const fail = (error: RankError): void => {
    // A rank that was stopped because of another may be heard first; its error says only that.
    if (firstError === undefined || (firstError.isConsequence && !error.isConsequence)) firstError = error;
    const reason = error.message;
    closing ??= setInterval(() => endWaits(reason), CLOSE_AGAIN_MS);
    endWaits(reason);
    deadline ??= setTimeout(() => {
      for (const { worker } of ranks) void worker.terminate();
    }, GRACE_MS);
  };
  const interrupt = (): void =>
    fail(new RankError(undefined, "INTERRUPTED", "the run was stopped", undefined));
  const ranks = localRanks(options).map((rank) => startRank(program, groupName, rank, options, fail));
  signal?.addEventListener("abort", interrupt, { once: true });
  if (signal?.aborted) interrupt();
  try {
    const results = await Promise.all(ranks.map(({ ended }) => ended));
    if (firstError !== undefined) throw firstError;
    return results as Result[];
  } finally {
    clearTimeout(deadline);
    clearInterval(closing);
    signal?.removeEventListener("abort", interrupt);
    addon.mailbox.close(groupName, "the run has ended");
  }
}

function localRanks({ numRanks, processes }: RunRanksOptions): number[] {
  const { process = 0, ranksPerProcess = numRanks } = processes ?? {};
  return Array.from({ length: ranksPerProcess }, (_, i) => process * ranksPerProcess + i);
}

/** `ended` resolves when the thread is gone, with what its program returned. */
function startRank(
  program: URL,
  groupName: string,
  rank: number,
  { numRanks, data, onReport, timeoutMs, processes }: RunRanksOptions,
  fail: (error: RankError) => void,
): { worker: Worker; ended: Promise<unknown> } {
  const workerData: RankThreadData = {
    program: program.href,
    groupName,
    rank,
    numRanks,
    data,
    timeoutMs,
    processes,
  };
  const entry = new URL(
    import.meta.url.endsWith(".ts") ? "./rank-thread.ts" : "./rank-thread.js",
    import.meta.url,
  );
  const worker = new Worker(entry, { workerData });
  const crash = (why: string, stack?: string): void =>
    fail(new RankError(rank, "CRASHED", `dualpipe: rank ${rank} ${why}`, stack));
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
        fail(new RankError(rank, message.code, message.message, message.stack));
        break;
      default:
        message satisfies never;
    }
  });
  worker.on("error", (error) => {
    hasEnded = true;
    crash(`crashed: ${error.message}`, error.stack);
  });
  const ended = new Promise<unknown>((resolve) => {
    worker.on("exit", (code) => {
      if (!hasEnded) crash(`ended with the exit code ${code} before its program did`);
      resolve(result);
    });
  });
  return { worker, ended };
}
