// One rank of a training run over several processes: rank 0's process has the data and takes what the ranks give.
import { deserialize, serialize } from "node:v8";
import type { RankContext } from "../launch/rank-context.ts";
import type { ProcessPlacement } from "../transport/c10d.ts";
import type { ProcessGroup } from "../transport/process-group.ts";
import type { TrainConfig } from "./config.ts";
import trainRank, { type TrainRankData, type TrainRankResult, type TrainReport } from "./train-rank.ts";

/** What all ranks must have alike, so that process 0 alone looks for it. */
type SharedData = Pick<TrainRankData, "train" | "validation" | "resume">;

export interface TrainProcessRankData {
  readonly config: TrainConfig;
  readonly requests: SharedArrayBuffer;
  readonly processes: ProcessPlacement;
  /** Undefined but in process 0. */
  readonly shared: SharedData | undefined;
}

/** A report and whose it is. In other processes than process 0 it says only that a part of a checkpoint has gone there. */
export interface ProcessRankReport {
  readonly rank: number;
  readonly report: TrainReport;
}

/** @returns On rank 0 the results of all ranks. */
export default async function trainProcessRank(
  context: RankContext<TrainProcessRankData>,
): Promise<TrainRankResult[] | undefined> {
  const { rank, processGroup, data, report } = context;
  const { ranksPerProcess } = data.processes;
  const isRemote = rank >= ranksPerProcess;
  const remoteRanks = Array.from(
    { length: processGroup.size - ranksPerProcess },
    (_, i) => ranksPerProcess + i,
  );
  const shared = isRemote ? (receiveValue(processGroup, 0) as SharedData) : data.shared!;
  if (rank === 0) for (const peer of remoteRanks) sendValue(processGroup, peer, shared);

  const passOn = (value: TrainReport): void => {
    if (!isRemote) report({ rank, report: value } satisfies ProcessRankReport);
    if (value.kind !== "checkpoint") return;
    // All ranks take a checkpoint after the same step, so that rank 0 can wait for the others' parts.
    if (isRemote) {
      sendValue(processGroup, 0, value);
      if (rank % ranksPerProcess === 0) report({ rank, report: { ...value, tensors: [] } });
    } else if (rank === 0) {
      for (const peer of remoteRanks)
        report({ rank: peer, report: receiveValue(processGroup, peer) as TrainReport });
    }
  };
  const { config, requests } = data;
  const result = await trainRank({
    ...context,
    data: { config, requests, ...shared },
    report: (value) => passOn(value as TrainReport),
  });
  return gather(processGroup, result) as TrainRankResult[] | undefined;
}

function gather(group: ProcessGroup, value: unknown): unknown[] | undefined {
  if (group.rank !== 0) {
    sendValue(group, 0, value);
    return undefined;
  }
  return Array.from({ length: group.size }, (_, rank) => (rank === 0 ? value : receiveValue(group, rank)));
}

function sendValue(group: ProcessGroup, peer: number, value: unknown): void {
  const { runtime } = group;
  const bytes = serialize(value);
  runtime.scope(() => group.send(peer, "control", [runtime.fromArray(bytes, [bytes.length], "uint8")]));
}

function receiveValue(group: ProcessGroup, peer: number): unknown {
  const { runtime } = group;
  return runtime.scope(() => {
    const [bytes] = group.receive(peer, "control").take();
    return deserialize(Buffer.from(runtime.addon.toBytes(bytes!.handle)));
  });
}
