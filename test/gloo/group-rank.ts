import assert from "node:assert/strict";
import type { RankContext } from "../../src/launch/rank-context.ts";
import { BridgedGroup } from "../../src/transport/processes/bridged-group.ts";
import { runConformance } from "../ranks/conformance.ts";

export interface GroupRankData {
  readonly behaviour: keyof typeof behaviours;
  readonly numProcesses: number;
  readonly ranksPerProcess: number;
  /** The name of each process's connections. */
  readonly bridges: readonly string[];
  readonly timeoutMs?: number;
}

/** A rank of one of several processes, all of which are threads of the test's process. */
export default function run({ rank, runtime, data }: RankContext<GroupRankData>): unknown {
  const { ranksPerProcess, numProcesses, bridges, timeoutMs = 20_000 } = data;
  const process = Math.floor(rank / ranksPerProcess);
  const group = new BridgedGroup(runtime, {
    bridge: bridges[process]!,
    layout: { process, numProcesses, ranksPerProcess },
    rank,
    timeoutMs,
  });
  let well = false;
  try {
    const result = behaviours[data.behaviour](group);
    well = true;
    return result;
  } catch (error) {
    if (!(error instanceof Desertion)) throw error;
    return undefined;
  } finally {
    group.leave({ well });
  }
}

class Desertion extends Error {}

const behaviours = {
  conformance: runConformance,

  /** Sizes that grow and shrink, so that frames are foreseen, announced and much smaller than foreseen. */
  changingSizes: (group: BridgedGroup): void => {
    const { runtime, rank } = group;
    const sizes = [1, 5000, 5000, 5000, 3, 5000, 2, 2, 70_000, 1, 70_000, 70_000, 70_000, 0, 5000, 1];
    if (rank === 0)
      for (const size of sizes)
        runtime.scope(() => group.send(1, "activations", [runtime.full([size], size)]));
    else
      for (const size of sizes)
        runtime.scope(() => {
          const [received] = group.receive(0, "activations").take();
          assert.deepEqual(received!.toArray(), new Array<number>(size).fill(size));
        });
  },

  /** Every rank sends its number to every other, on all edges: within a process and between two. */
  everyone: (group: BridgedGroup): number[] => {
    const { runtime, rank, size } = group;
    const peers = Array.from({ length: size }, (_, peer) => peer).filter((peer) => peer !== rank);
    for (const peer of peers) group.send(peer, "gradients", [runtime.tensor([10 * rank + peer])]);
    return peers.map((peer) => group.receive(peer, "gradients").take()[0]!.item());
  },

  /** Rank 1 leaves without telling; rank 0 waits for it. */
  deserted: (group: BridgedGroup): void => {
    if (group.rank === 1) throw new Desertion();
    group.receive(1, "gradients").wait();
  },

  idle: (group: BridgedGroup): void => {
    if (group.rank === 0) group.receive(1, "gradients").wait();
    else group.receive(0, "control").wait();
  },
};
