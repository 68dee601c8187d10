import { counted } from "../errors/counted.ts";
import type { ProcessGroup } from "../transport/process-group.ts";
import { StepError } from "./errors/step-error.ts";

/**
 * Which rank of a process group has which rank in which replica of a pipeline; replica `k` of `P` ranks comes at `k P`.
 */
export class ReplicaPlacement {
  readonly numReplicas: number;
  /** The ranks of one replica. */
  readonly numRanks: number;
  /** The replica of this rank, and its rank in it. */
  readonly replica: number;
  readonly pipelineRank: number;
  /** The rank at each position, which is replica times `numRanks` plus the rank in the replica. */
  readonly #groupRanks: readonly number[];

  /**
   * @param rankMapping The position of each rank of the group; its own number by default.
   * @throws StepError INVALID_INPUT
   */
  constructor(
    { rank, size }: ProcessGroup,
    numReplicas = 1,
    rankMapping: readonly number[] = Array.from({ length: size }, (_, each) => each),
  ) {
    const refuse = (rule: string): StepError => new StepError("INVALID_INPUT", { rank }, rule);
    if (!Number.isInteger(numReplicas) || numReplicas < 1 || size % numReplicas !== 0)
      throw refuse(
        `numReplicas must be a whole number that divides the group's ${counted(size, "rank")}; got ${numReplicas}`,
      );
    this.#groupRanks = Array.from({ length: size }, (_, position) => rankMapping.indexOf(position));
    if (rankMapping.length !== size || this.#groupRanks.includes(-1))
      throw refuse(
        `rankMapping must name each of the ranks 0..${size - 1} once; got [${rankMapping.join(", ")}]`,
      );
    this.numReplicas = numReplicas;
    this.numRanks = size / numReplicas;
    const position = rankMapping[rank]!;
    this.replica = Math.floor(position / this.numRanks);
    this.pipelineRank = position % this.numRanks;
  }

  /** The ranks of the group that form a replica, in its order. */
  ranksOf(replica: number): readonly number[] {
    return this.#groupRanks.slice(replica * this.numRanks, (replica + 1) * this.numRanks);
  }
}
