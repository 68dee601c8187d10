/*
 * The program of every rank of a training run, whether the ranks are threads of one process or of several.
 *
 * Only process 0 reads the data and looks for the checkpoint to resume from: two processes that looked for themselves
 * could find different ones. Ranks of process 0 get what was found from their main thread, in memory that all of its
 * threads share; rank 0 sends it to the ranks of the other processes over the process group, which needs no shared disk
 * and no further connection. From there on every rank computes all decisions itself from the same numbers, so none of
 * them is told when to validate, to stop or to take a checkpoint. In the end the results go back to rank 0 in the same
 * way.
 */
import type { RankContext } from "../../launch/rank-context.ts";
import type { ProcessGroup } from "../../transport/process-group.ts";
import { checkSameConfig } from "../config/same-config.ts";
import { gatherValues, receiveValue, sendValue } from "./group-values.ts";
import type { RankData, RankResult, SharedData } from "./rank-data.ts";
import { RankTrainer } from "./rank-trainer.ts";

/** @returns In a single process this rank's result; otherwise on rank 0 the results of all ranks, elsewhere none. */
export default async function rankProgram(context: RankContext<RankData>): Promise<RankResult[]> {
  const { processGroup, data } = context;
  const trainer = new RankTrainer(context, shareData(processGroup, data));
  await trainer.resume();
  const result = trainer.run();
  return data.layout === undefined ? [result] : gatherValues(processGroup, processGroup.size, result);
}

function shareData(group: ProcessGroup, { config, shared, layout }: RankData): SharedData {
  if (shared === undefined) {
    const received = receiveValue(group, 0) as SharedData;
    checkSameConfig(config, received.config);
    return received;
  }
  if (group.rank === 0 && layout !== undefined)
    for (let peer = layout.ranksPerProcess; peer < group.size; peer++) sendValue(group, peer, shared);
  return shared;
}
