// Who else holds the parameters of a rank, and in which order each of them finishes with its stages.
//
// Under a schedule with two directions a rank has a mirror that holds the same two stages, and with replicas each has
// its twins. All of them sum their weight gradients. A gradient travels as soon as the last W of its stage has run,
// while the rest of the step computes; so a rank receives gradients in the order in which the *sender* finishes its
// stages, and that differs: a mirror runs the stages in the other order, twins in the same. A channel is a FIFO, so the
// receiver must know the order.
//
// It can, because every rank has the whole program: the order of any holder is that of its plan (`completionOrder` in
// rank-plan.ts). This file says which plan is whose. Invariant: all holders list one another in the same order, by
// replica and then by rank, so that sums are made in one order everywhere and have the same bits.
import { GroupView } from "../../transport/group-view.ts";
import type { ProcessGroup } from "../../transport/process-group.ts";
import type { PlannedStep } from "../plan-cache.ts";
import type { ReplicaPlacement } from "../replica-placement.ts";

export class Holders {
  /** The holders, numbered by replica and then by rank. */
  readonly group: ProcessGroup;
  /** The rank of each holder in its replica. */
  readonly #pipelineRanks: readonly number[];

  /**
   * @param everyone The group of all replicas.
   * @param ranksOfStages The ranks of one replica that hold the same stages, in ascending order.
   */
  constructor(everyone: ProcessGroup, replicas: ReplicaPlacement, ranksOfStages: readonly number[]) {
    const holders = Array.from({ length: replicas.numReplicas }, (_, replica) =>
      ranksOfStages.map((pipelineRank) => ({ pipelineRank, rank: replicas.ranksOf(replica)[pipelineRank]! })),
    ).flat();
    this.group = new GroupView(
      everyone,
      holders.map(({ rank }) => rank),
    );
    this.#pipelineRanks = holders.map(({ pipelineRank }) => pipelineRank);
  }

  /** The first holder that has this rank in its replica. */
  firstWithRank(pipelineRank: number): number {
    return this.#pipelineRanks.indexOf(pipelineRank);
  }

  /** The stages in the order in which a holder completes their weight gradients. */
  completionOrder(holder: number, { completionOrders }: PlannedStep): readonly number[] {
    return completionOrders.get(this.#pipelineRanks[holder]!)!;
  }
}
