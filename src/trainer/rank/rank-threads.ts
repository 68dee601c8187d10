import type { ConnectedProcesses } from "../../launch/connected-processes.ts";
import { runRanks } from "../../launch/run-ranks.ts";
import { numRanks } from "../config/config.ts";
import type { RankData, RankResult } from "./rank-data.ts";
import type { RankReport } from "./rank-report.ts";
import type { SampleData } from "./sample-program.ts";

export interface RankThreadsOptions {
  readonly onReport: (rank: number, report: RankReport) => void;
  readonly signal: AbortSignal | undefined;
  /** The other processes of the run, when there are any. */
  readonly processes: ConnectedProcesses | undefined;
}

/**
 * Trains on the ranks of this process, each a thread.
 * @returns In process 0 the results of all ranks, by rank; elsewhere nothing.
 */
export async function trainOnRanks(
  data: RankData,
  { onReport, signal, processes }: RankThreadsOptions,
): Promise<RankResult[]> {
  const { pipeline, timeouts, training } = data.config;
  const results = await runRanks<RankResult[]>(programUrl("rank-program"), {
    numRanks: numRanks(pipeline),
    timeoutMs: 1000 * timeouts.receiveSeconds,
    device: training.device,
    onReport: (rank, report) => onReport(rank, report as RankReport),
    signal,
    processes,
    data,
  });
  return results.flat();
}

/** Continues the prompt with the trained model, on one rank. @returns The new tokens. */
export async function sampleOnRank(data: SampleData, signal: AbortSignal | undefined): Promise<number[]> {
  const { device } = data.config.training;
  const [tokens] = await runRanks<number[]>(programUrl("sample-program"), {
    numRanks: 1,
    data,
    signal,
    device,
  });
  return tokens!;
}

/** A program of this folder; compiled if this file is. */
function programUrl(name: string): URL {
  return new URL(`./${name}${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);
}
