/*
 * What a block waited for, what waits for it, and the way of its micro-batch through the ranks. Nothing of this is
 * stored for each block: a block's rank and neighbours follow from its stage and micro-batch, and finding a computation
 * takes one look through a rank's track, which is fast enough for one pointer.
 */
import { Opcode } from "../../schedule/index.ts";
import type { DrawnBlock, DrawnStep } from "./drawn-step.ts";

export interface Relations {
  /** What must be done before the block; the one that ended last is what it waited for. */
  readonly needs: readonly DrawnBlock[];
  readonly neededBy: readonly DrawnBlock[];
}

type Half = "F" | "I" | "W";

/** The halves of a block: a full backward is both an I and a W. */
const HALVES: Readonly<Record<DrawnBlock["kind"], readonly Half[]>> = {
  F: ["F"],
  I: ["I"],
  W: ["W"],
  B: ["I", "W"],
};

/** Finds the blocks of a step by what they compute. */
export class BlockFinder {
  readonly #step: DrawnStep;
  /** The rank of each cell, plus one; 0 where the timeline has none. */
  readonly #ranks: Uint32Array;
  readonly #numStages: number;

  constructor(step: DrawnStep) {
    this.#step = step;
    let numCells = 0;
    for (const { actions } of step.timeline.ranks)
      for (const cell of actions.cells) if (cell >= numCells) numCells = cell + 1;
    this.#numStages = Math.ceil(numCells / step.numMicroBatches);
    this.#ranks = new Uint32Array(this.#numStages * step.numMicroBatches);
    for (const [rank, { actions }] of step.timeline.ranks.entries())
      for (let index = 0; index < actions.length; index++) this.#ranks[actions.cells[index]!] = rank + 1;
  }

  /** The block that computes a half of a stage for a micro-batch. */
  find(half: Half, stage: number, microBatch: number): DrawnBlock | undefined {
    if (stage < 0 || stage >= this.#numStages) return undefined;
    const cell = stage * this.#step.numMicroBatches + microBatch;
    const rank = this.#ranks[cell]! - 1;
    const track = this.#step.timeline.ranks[rank];
    if (track === undefined) return undefined;
    const { opcodes, cells, length } = track.actions;
    for (let index = 0; index < length; index++) {
      const opcode = opcodes[index]!;
      const isForward = half === "F" && (opcode === Opcode.F || opcode === Opcode.OVERLAP_F_B);
      const runs =
        half === "F"
          ? isForward && cells[index] === cell
          : runsBackwardHalf(half, opcode) && track.actions.backwardCellAt(index) === cell;
      if (!runs) continue;
      return this.#step.blocksAt(rank, index).find(({ kind }) => HALVES[kind].includes(half));
    }
    return undefined;
  }

  relationsOf({ kind, stage, microBatch, rank, index }: DrawnBlock): Relations {
    const at = (half: Half, offset: number) => this.find(half, stage + offset, microBatch);
    const needs: (DrawnBlock | undefined)[] = [];
    const neededBy: (DrawnBlock | undefined)[] = [];
    for (const half of HALVES[kind]) {
      if (half === "F") {
        needs.push(at("F", -1));
        neededBy.push(at("F", 1), stage === this.#numStages - 1 ? at("I", 0) : undefined);
      } else if (half === "I") {
        needs.push(at("I", 1), stage === this.#numStages - 1 ? at("F", 0) : undefined);
        neededBy.push(at("I", -1), kind === "I" ? at("W", 0) : undefined);
      } else if (kind === "W") needs.push(at("I", 0));
    }
    // Its rank was busy with the event before.
    if (index > 0) needs.push(this.#step.blocksAt(rank, index - 1).at(-1));
    if (index + 1 < this.#step.timeline.ranks[rank]!.length)
      neededBy.push(this.#step.blocksAt(rank, index + 1)[0]);
    return { needs: distinct(needs), neededBy: distinct(neededBy) };
  }

  /** All blocks of a micro-batch, in the order of time. */
  pathOf(microBatch: number): DrawnBlock[] {
    const path: DrawnBlock[] = [];
    for (let stage = 0; stage < this.#numStages; stage++)
      for (const half of ["F", "I", "W"] as const) {
        const block = this.find(half, stage, microBatch);
        if (block !== undefined) path.push(block);
      }
    return distinct(path).sort((a, b) => a.start - b.start);
  }
}

function runsBackwardHalf(half: "I" | "W", opcode: number): boolean {
  return opcode === Opcode.B || opcode === Opcode.OVERLAP_F_B || opcode === Opcode[half];
}

function distinct(blocks: readonly (DrawnBlock | undefined)[]): DrawnBlock[] {
  const seen = new Map<string, DrawnBlock>();
  for (const block of blocks)
    if (block !== undefined) seen.set(`${block.rank} ${block.index} ${block.kind}`, block);
  return [...seen.values()];
}
