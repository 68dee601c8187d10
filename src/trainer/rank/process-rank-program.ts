// One rank of a training run over several processes: all get from rank 0 what they must have alike, and give it their results.
import { deserialize, serialize } from "node:v8";
import type { RankContext } from "../../launch/rank-context.ts";
import type { ProcessLayout } from "../../transport/gloo/connect-processes.ts";
import type { ProcessGroup } from "../../transport/process-group.ts";
import type { TrainConfig } from "../config/config.ts";
import trainRank, { type TrainRankData, type TrainRankResult } from "./rank-program.ts";

/** What all ranks must have alike, so that process 0 alone looks for it. */
type SharedData = Pick<TrainRankData, "train" | "validation" | "resume">;

export interface TrainProcessRankData {
  readonly config: TrainConfig;
  readonly requests: SharedArrayBuffer;
  readonly layout: ProcessLayout;
  /** Undefined but in process 0. */
  readonly shared: SharedData | undefined;
}

/** @returns On rank 0 the results of all ranks. */
export default async function trainProcessRank(
  context: RankContext<TrainProcessRankData>,
): Promise<TrainRankResult[] | undefined> {
  const { rank, processGroup, data } = context;
  const { config, requests, layout } = data;
  const shared = data.shared ?? (receiveValue(processGroup, 0) as SharedData);
  if (rank === 0)
    for (let peer = layout.ranksPerProcess; peer < processGroup.size; peer++)
      sendValue(processGroup, peer, shared);
  const result = await trainRank({ ...context, data: { config, requests, ...shared } });
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
    return deserialize(Buffer.from(runtime.readBytes(bytes!)));
  });
}
