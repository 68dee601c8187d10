import { runRanks } from "../launch/threads.ts";
import type { ProcessPlacement } from "../transport/c10d.ts";
import { CheckpointRequests } from "./checkpoint/requests.ts";
import type { TrainConfig } from "./config.ts";
import { siblingProgram } from "./sibling-program.ts";
import type { ProcessRankReport, TrainProcessRankData } from "./train-process-rank.ts";
import type { TrainRankData, TrainRankResult, TrainReport } from "./train-rank.ts";

interface TrainRanksOptions {
  readonly processes: ProcessPlacement | undefined;
  readonly onReport: (rank: number, report: TrainReport) => void;
  readonly signal: AbortSignal | undefined;
}

/** Runs the training on all ranks and gives their results by rank; with other processes, in process 0. */
export async function runTrainRanks(
  data: TrainRankData,
  { processes, onReport, signal }: TrainRanksOptions,
): Promise<TrainRankResult[]> {
  const options = { numRanks: data.config.pipeline.ranks, ...(signal ? { signal } : {}) };
  if (processes === undefined)
    return runRanks<TrainRankResult>(siblingProgram("train-rank"), {
      ...options,
      data,
      onReport: (rank, value) => onReport(rank, value as TrainReport),
    });
  const { config, requests, ...shared } = data;
  const processData: TrainProcessRankData = { config, requests, processes, shared };
  const [results] = await runRanks<TrainRankResult[]>(siblingProgram("train-process-rank"), {
    ...options,
    processes,
    data: processData,
    onReport: (_rank, value) => {
      const { rank, report } = value as ProcessRankReport;
      onReport(rank, report);
    },
  });
  return results!;
}

/** The part of a process other than process 0, which has the data and the files: it only runs its ranks. */
export async function joinTraining(
  config: TrainConfig,
  processes: ProcessPlacement,
  signal: AbortSignal,
): Promise<void> {
  const requests = new CheckpointRequests();
  const data: TrainProcessRankData = { config, requests: requests.memory, processes, shared: undefined };
  await runRanks(siblingProgram("train-process-rank"), {
    numRanks: config.pipeline.ranks,
    processes,
    data,
    signal,
    // Its part has gone to process 0 by then.
    onReport: () => requests.written(),
  });
}
