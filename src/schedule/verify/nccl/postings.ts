/**
 * What each rank posts to NCCL, and what its computations wait for.
 *
 * A communicator has one queue per rank. All that a rank posts to it between `ncclGroupStart` and `ncclGroupEnd` is
 * one kernel, here a group, and the kernels of a queue run one after the other. NCCL has no tags: in each direction
 * between two ranks, the n-th SEND of a communicator goes into the n-th RECV. So a program is first cut into groups,
 * then both ends of each communicator are compared, and after that a value has a SEND and a RECV by its name.
 *
 * How a program is cut is its convention of communication. `eager` posts each transfer by itself, and a computation
 * waits for the values that it needs. `batched` posts all transfers between two computations as one group of each
 * communicator, and the next computation waits for all of them. Other runtimes have other rules (`PostingRules`).
 */
import type { ActionList } from "../../program/action-list.ts";
import { type Cells, type Flow, flowOf, NO_CELL } from "../../program/cells.ts";
import { hasBackwardInputs, hasForward, isReceive, isSend, isTransfer } from "../../program/opcode.ts";
import type { Program } from "../../program/program.ts";
import { type Communicators, communicatorOf } from "./communicators.ts";

/** How a runtime turns a rank's actions into groups and waits. */
export interface PostingRules {
  /** What shares a communicator with the transfer at the index. */
  communicatorsOf(rank: number, index: number): Communicators;
  /** Whether the transfer at the index is posted in one call with the one directly before it. */
  joinsPrevious(rank: number, index: number): boolean;
  /** The indices of the transfers that a computation at the index waits for, besides the values that it needs. */
  waitsOf(rank: number, index: number): readonly number[];
}

/** Transfers that a rank posts to one communicator in one call. They run together, and end together. */
export interface Group {
  readonly rank: number;
  readonly communicator: number;
  /** The number of computations of the rank that are posted before it, and end before it starts. */
  readonly numComputations: number;
  /** The group before it in the queue, or -1. */
  readonly previous: number;
  readonly actionIndices: number[];
}

/** One side of a transfer. */
export interface Side {
  readonly rank: number;
  readonly actionIndex: number;
  readonly group: number;
}

/** Everything that the ranks of a program post, by group and by value. */
export class Postings {
  readonly program: Program;
  readonly cells: Cells;
  readonly rules: PostingRules;
  readonly groups: Group[] = [];
  /** The indices of each rank's computations, in order. */
  readonly computations: readonly number[][];
  /** For each computation of each rank, the groups that it waits for. */
  readonly waits: readonly number[][][];
  /** For each flow and value, its SEND and its RECV. */
  readonly sends = new Map<number, Side>();
  readonly receives = new Map<number, Side>();

  constructor(program: Program, cells: Cells, rules: PostingRules) {
    this.program = program;
    this.cells = cells;
    this.rules = rules;
    this.computations = program.ranks.map(() => []);
    this.waits = program.ranks.map(() => []);
    for (const [rank, actions] of program.ranks.entries()) this.#post(rank, actions);
  }

  /** A number for the value that a SEND or RECV of the cell moves. */
  valueOf(transfer: number, cell: number): number {
    return this.#keyOf(flowOf(transfer), this.cells.valueOf(transfer, cell));
  }

  /** The other side of the transfer that a rank posts at an index. */
  partnerOf(rank: number, index: number): Side {
    const { opcodes, cells } = this.program.ranks[rank]!;
    const opcode = opcodes[index]!;
    return (isSend(opcode) ? this.receives : this.sends).get(this.valueOf(opcode, cells[index]!))!;
  }

  #keyOf(flow: Flow, consumer: number): number {
    return flow === "F" ? consumer : this.cells.numCells + consumer;
  }

  #post(rank: number, actions: ActionList): void {
    const { opcodes, cells, length } = actions;
    const lastOfQueue = new Map<number, number>();
    const groupOfAction = new Map<number, number>();
    let call = new Map<number, number>();
    for (let index = 0; index < length; index++) {
      const opcode = opcodes[index]!;
      if (!isTransfer(opcode)) {
        const awaited = this.rules.waitsOf(rank, index).map((transfer) => groupOfAction.get(transfer)!);
        this.computations[rank]!.push(index);
        this.waits[rank]!.push([...new Set([...this.#needsOf(rank, actions, index), ...awaited])]);
        continue;
      }
      if (!this.rules.joinsPrevious(rank, index)) call = new Map();
      const { numRanks } = this.program;
      const communicators = this.rules.communicatorsOf(rank, index);
      const communicator = communicatorOf(communicators, this.cells, numRanks, opcode, cells[index]!);
      let group = call.get(communicator);
      if (group === undefined) {
        group = this.groups.length;
        const previous = lastOfQueue.get(communicator) ?? -1;
        const numComputations = this.computations[rank]!.length;
        this.groups.push({ rank, communicator, numComputations, previous, actionIndices: [] });
        lastOfQueue.set(communicator, group);
        call.set(communicator, group);
      }
      this.groups[group]!.actionIndices.push(index);
      groupOfAction.set(index, group);
      const sides = isSend(opcode) ? this.sends : this.receives;
      sides.set(this.valueOf(opcode, cells[index]!), { rank, actionIndex: index, group });
    }
  }

  /** The groups that bring the values from other ranks which a computation takes. */
  #needsOf(rank: number, actions: ActionList, index: number): number[] {
    const opcode = actions.opcodes[index]!;
    const groups: number[] = [];
    const need = (flow: Flow, cell: number): void => {
      const producer = this.cells.producerOf(flow, cell);
      if (producer === NO_CELL || this.cells.rankOf(producer) === rank) return;
      groups.push(this.receives.get(this.#keyOf(flow, cell))!.group);
    };
    if (hasForward(opcode)) need("F", actions.cells[index]!);
    if (hasBackwardInputs(opcode)) need("B", actions.backwardCellAt(index));
    return groups;
  }
}

/** The rules of the program's own convention of communication. */
export function ownRules(program: Program, communicators: Communicators): PostingRules {
  const isBatched = program.communication === "batched";
  const opcodeAt = (rank: number, index: number) => program.ranks[rank]!.opcodes[index]!;
  return {
    communicatorsOf: () => communicators,
    joinsPrevious: (rank, index) => isBatched && index > 0 && isTransfer(opcodeAt(rank, index - 1)),
    waitsOf: (rank, index) => {
      const indices: number[] = [];
      if (!isBatched) return indices;
      for (let before = index - 1; before >= 0 && isTransfer(opcodeAt(rank, before)); before--) {
        indices.push(before);
      }
      return indices;
    },
  };
}

/** The first RECV of a rank that would get the value of another SEND than its own. */
export interface WrongPartner {
  readonly rank: number;
  readonly actionIndex: number;
  /** The SEND whose value it would get. */
  readonly sent: { readonly rank: number; readonly actionIndex: number };
}

/** The first RECV of each directed edge that NCCL would give the value of another SEND. */
export function wrongPartners(postings: Postings): WrongPartner[] {
  const { program, groups } = postings;
  // Sends in the order of their queue, by communicator and direction; their receives must come in the same order.
  const sent = new Map<string, { rank: number; actionIndex: number; value: number }[]>();
  const received = new Map<string, { rank: number; actionIndex: number; value: number }[]>();
  for (const { rank, communicator, actionIndices } of groups) {
    for (const actionIndex of actionIndices) {
      const { opcodes, cells } = program.ranks[rank]!;
      const opcode = opcodes[actionIndex]!;
      const peer = postings.partnerOf(rank, actionIndex).rank;
      const isFrom = isReceive(opcode);
      const key = `${communicator} ${isFrom ? peer : rank} ${isFrom ? rank : peer}`;
      const sides = isFrom ? received : sent;
      const side = { rank, actionIndex, value: postings.valueOf(opcode, cells[actionIndex]!) };
      const ofKey = sides.get(key);
      if (ofKey === undefined) sides.set(key, [side]);
      else ofKey.push(side);
    }
  }
  return [...received].flatMap(([key, receives]) => {
    const sends = sent.get(key)!;
    const wrong = receives.findIndex(({ value }, n) => sends[n]!.value !== value);
    if (wrong < 0) return [];
    const { rank, actionIndex } = receives[wrong]!;
    return [{ rank, actionIndex, sent: sends[wrong]! }];
  });
}
