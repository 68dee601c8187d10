import type { ComputationKind } from "../program/action.ts";
import { type ActionList, ActionListBuilder } from "../program/action-list.ts";
import { type Placement, perRank } from "../program/placement.ts";
import type { Program } from "../program/program.ts";
import type { ProgramSizes } from "../program/sizes.ts";

/**
 * The actions of one rank, where each kind of action of a stage takes the micro-batches in ascending order.
 * Micro-batches that the step does not have are left out, and so are backwards in a step of forwards only.
 */
export class AscendingActions {
  readonly #numMicroBatches: number;
  readonly #forwardOnly: boolean;
  readonly #builder: ActionListBuilder;
  readonly #next: Readonly<Record<ComputationKind, Map<number, number>>> = {
    F: new Map(),
    I: new Map(),
    W: new Map(),
    B: new Map(),
  };

  constructor({ numMicroBatches, forwardOnly = false }: ProgramSizes, builder: ActionListBuilder) {
    this.#numMicroBatches = numMicroBatches;
    this.#forwardOnly = forwardOnly;
    this.#builder = builder;
  }

  /** The number of actions of this kind that the stage has had. */
  count(kind: ComputationKind, stage: number): number {
    return this.#next[kind].get(stage) ?? 0;
  }

  /** Appends the stage's next action of this kind. */
  add(kind: ComputationKind, stage: number): void {
    const microBatch = this.count(kind, stage);
    this.#next[kind].set(stage, microBatch + 1);
    if (microBatch >= this.#numMicroBatches || (this.#forwardOnly && kind !== "F")) return;
    this.#builder.add(kind, stage, microBatch);
  }

  /** All that has been written. */
  finish(): ActionList {
    return this.#builder.finish();
  }
}

/** A program whose ranks' actions are written by `writeRank`, one rank after the other. */
export function ascendingProgram(
  schedule: string,
  sizes: ProgramSizes,
  placement: Placement,
  writeRank: (actions: AscendingActions, rank: number) => void,
): Program {
  const { numRanks, numMicroBatches, forwardOnly = false } = sizes;
  const builder = new ActionListBuilder(numMicroBatches);
  const ranks = perRank(numRanks, (rank) => {
    const actions = new AscendingActions(sizes, builder);
    writeRank(actions, rank);
    return actions.finish();
  });
  return {
    schedule,
    numRanks,
    numStages: placement.numStages,
    numMicroBatches,
    forwardOnly,
    communication: "none",
    placement,
    ranks,
  };
}
