import type { ConnectedProcesses } from "../../launch/connected-processes.ts";
import { runRanks } from "../../launch/run-ranks.ts";
import { numRanks, type TrainConfig } from "../config/config.ts";
import type { TrainProcessRankData } from "./process-rank-program.ts";
import type { TrainRankData, TrainRankResult, TrainReport } from "./rank-program.ts";
import { siblingProgram } from "./sibling-program.ts";

export interface TrainRanksOptions {
  readonly onReport: (rank: number, report: TrainReport) => void;
  readonly signal: AbortSignal | undefined;
}

/** Runs the training on all ranks, threads of this process, and gives their results by rank. */
export async function runTrainRanks(
  data: TrainRankData,
  options: TrainRanksOptions,
): Promise<TrainRankResult[]> {
  return runRanks<TrainRankResult>(siblingProgram("rank-program"), {
    ...rankOptions(data.config, options),
    data,
  });
}

/**
 * Runs the training on the ranks of this process, one of several.
 * @param data Without what all ranks must have alike but in process 0, which the others get it from.
 * @returns In process 0 the results of all ranks, by rank.
 */
export async function runTrainRanksOf(
  met: ConnectedProcesses,
  data: TrainProcessRankData,
  options: TrainRanksOptions,
): Promise<TrainRankResult[] | undefined> {
  const [results] = await runRanks<TrainRankResult[] | undefined>(siblingProgram("process-rank-program"), {
    ...rankOptions(data.config, options),
    processes: met,
    data,
  });
  return results;
}

function rankOptions({ pipeline, timeouts }: TrainConfig, { onReport, signal }: TrainRanksOptions) {
  return {
    numRanks: numRanks(pipeline),
    timeoutMs: 1000 * timeouts.receiveSeconds,
    onReport: (rank: number, value: unknown) => onReport(rank, value as TrainReport),
    signal,
  };
}
