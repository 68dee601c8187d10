import { Opcode } from "../program/action-list.ts";
import { rankOf, ranksOfCells } from "../program/placement.ts";
import type { Program } from "../program/program.ts";
import { type ActionPlace, nameAction, type Problem } from "./problem.ts";

/**
 * How a channel takes a send whose receive is not posted yet.
 * `rendezvous`: the sending rank stops until it is. `buffered`: the rank goes on.
 */
export type SendModel = "rendezvous" | "buffered";

/** A receive that another rank's send waits for. */
export interface MissingReceive extends ActionPlace {
  readonly opcode: number;
  readonly cell: number;
}

const Event = { SENT_F: 1, POSTED_F: 2, SENT_B: 4, POSTED_B: 8 } as const;

/** An event that a rank waits for stands this many bits higher, so that only those look for the rank. */
const WAITED_FOR = 4;

/**
 * Runs a program without times, under rules at least as strict as any executor's: a computation needs all its
 * values at its start and gives them at its end. The program's actions must be complete and in order.
 */
export class ProgressCheck {
  readonly #program: Program;
  readonly #isRendezvous: boolean;
  readonly #numCells: number;
  readonly #rankOfCell: Uint32Array;
  /** Events of each value, which is named by the cell that takes it. */
  readonly #events: Uint8Array;
  readonly #index: Uint32Array;
  /** The end of the batch whose transfers a rank has started; 0 when it has not. */
  readonly #batchEnd: Uint32Array;
  readonly #waitCell: Float64Array;
  readonly #waitEvent: Uint8Array;
  readonly #runnable: number[] = [];

  constructor(program: Program, sends: SendModel) {
    this.#program = program;
    this.#isRendezvous = sends === "rendezvous";
    this.#numCells = program.numStages * program.numMicroBatches;
    this.#rankOfCell = ranksOfCells(program.placement);
    this.#events = new Uint8Array(this.#numCells);
    this.#index = new Uint32Array(program.numRanks);
    this.#batchEnd = new Uint32Array(program.numRanks);
    this.#waitCell = new Float64Array(program.numRanks).fill(-1);
    this.#waitEvent = new Uint8Array(program.numRanks);
    for (let rank = program.numRanks - 1; rank >= 0; rank--) this.#runnable.push(rank);
  }

  /** The deadlock that the program runs into, if any. */
  run(): Problem[] {
    this.settle();
    const stuck = this.#program.ranks.findIndex((actions, rank) => this.#index[rank]! < actions.length);
    return stuck < 0 ? [] : [this.#describeDeadlock(stuck)];
  }

  /** Runs every rank as far as it can go. */
  settle(): void {
    for (let rank = this.#runnable.pop(); rank !== undefined; rank = this.#runnable.pop()) {
      this.#waitCell[rank] = -1;
      this.#runRank(rank);
    }
  }

  /** The receives that settled ranks wait for in their sends, and where the ranks that owe them stand. */
  missingReceives(): MissingReceive[] {
    const missing: MissingReceive[] = [];
    for (let rank = 0; rank < this.#program.numRanks; rank++) {
      const cell = this.#waitCell[rank]!;
      const event = this.#waitEvent[rank]!;
      if (cell < 0 || (event !== Event.POSTED_F && event !== Event.POSTED_B)) continue;
      const receiver = this.#rankOfCell[cell]!;
      const opcode = event === Event.POSTED_F ? Opcode.RECV_F : Opcode.RECV_B;
      missing.push({ rank: receiver, actionIndex: this.#index[receiver]!, opcode, cell });
    }
    return missing;
  }

  /** Posts a receive before its rank comes to it. */
  post(opcode: number, cell: number): void {
    this.#start(opcode, cell);
  }

  #runRank(rank: number): void {
    const { opcodes, cells, backwardCells, length } = this.#program.ranks[rank]!;
    const isBatched = this.#program.communication === "batched";
    let index = this.#index[rank]!;
    for (; index < length; index++) {
      const opcode = opcodes[index]!;
      if (opcode <= Opcode.OVERLAP_F_B) {
        if (!this.#stepComputation(rank, opcode, cells[index]!, backwardCells[index]!)) break;
      } else if (isBatched) {
        index = this.#stepBatch(rank, index);
        if (this.#batchEnd[rank] !== 0) break;
      } else {
        this.#start(opcode, cells[index]!);
        const isSend = opcode === Opcode.SEND_F || opcode === Opcode.SEND_B;
        if (isSend && this.#isRendezvous && !this.#isDone(rank, opcode, cells[index]!)) break;
      }
    }
    this.#index[rank] = index;
  }

  /** Where the rank stands then: at the batch's last action, or, with its end still set, at one that waits. */
  #stepBatch(rank: number, index: number): number {
    const { opcodes, cells, length } = this.#program.ranks[rank]!;
    let end = this.#batchEnd[rank]!;
    if (end === 0) {
      for (end = index; end < length && opcodes[end]! > Opcode.OVERLAP_F_B; end++) {
        this.#start(opcodes[end]!, cells[end]!);
      }
      this.#batchEnd[rank] = end;
    }
    for (let next = index; next < end; next++) {
      const opcode = opcodes[next]!;
      const isSend = opcode === Opcode.SEND_F || opcode === Opcode.SEND_B;
      if (isSend && !this.#isRendezvous) continue;
      if (!this.#isDone(rank, opcode, cells[next]!)) return next;
    }
    this.#batchEnd[rank] = 0;
    return end - 1;
  }

  #stepComputation(rank: number, opcode: number, cell: number, backwardCell: number): boolean {
    const { numMicroBatches } = this.#program;
    const isForward = opcode === Opcode.F || opcode === Opcode.OVERLAP_F_B;
    const isBackward = opcode === Opcode.I || opcode === Opcode.B || opcode === Opcode.OVERLAP_F_B;
    const backward = opcode === Opcode.OVERLAP_F_B ? backwardCell : cell;
    if (isForward && cell >= numMicroBatches && !this.#has(rank, cell, Event.SENT_F)) return false;
    if (
      isBackward &&
      backward + numMicroBatches < this.#numCells &&
      !this.#has(rank, backward, Event.SENT_B)
    ) {
      return false;
    }
    if (isForward) this.#computed(rank, cell + numMicroBatches, Event.SENT_F);
    if (isBackward) this.#computed(rank, backward - numMicroBatches, Event.SENT_B);
    return true;
  }

  /** Values move by themselves on their own rank, and everywhere in a program of computations only. */
  #computed(rank: number, target: number, event: number): void {
    if (target < 0 || target >= this.#numCells) return;
    if (this.#rankOfCell[target] === rank || this.#program.communication === "none")
      this.#happen(target, event);
  }

  #start(opcode: number, cell: number): void {
    switch (opcode) {
      case Opcode.SEND_F:
        this.#happen(cell + this.#program.numMicroBatches, Event.SENT_F);
        break;
      case Opcode.SEND_B:
        this.#happen(cell - this.#program.numMicroBatches, Event.SENT_B);
        break;
      case Opcode.RECV_F:
        this.#happen(cell, Event.POSTED_F);
        break;
      default:
        this.#happen(cell, Event.POSTED_B);
    }
  }

  /** Whether a started transfer has met its other side. */
  #isDone(rank: number, opcode: number, cell: number): boolean {
    const { numMicroBatches } = this.#program;
    switch (opcode) {
      case Opcode.SEND_F:
        return this.#has(rank, cell + numMicroBatches, Event.POSTED_F);
      case Opcode.SEND_B:
        return this.#has(rank, cell - numMicroBatches, Event.POSTED_B);
      case Opcode.RECV_F:
        return this.#has(rank, cell, Event.SENT_F);
      default:
        return this.#has(rank, cell, Event.SENT_B);
    }
  }

  #happen(value: number, event: number): void {
    const events = this.#events[value]!;
    this.#events[value] = events | event;
    if (events & (event << WAITED_FOR)) this.#wake(value, event);
  }

  /** The receiver of a value waits for it to be sent, and the sender for its receive. */
  #wake(value: number, event: number): void {
    const { numMicroBatches } = this.#program;
    let watcher = value;
    if (event === Event.POSTED_F) watcher = value - numMicroBatches;
    if (event === Event.POSTED_B) watcher = value + numMicroBatches;
    this.#runnable.push(this.#rankOfCell[watcher]!);
  }

  #has(rank: number, value: number, event: number): boolean {
    const events = this.#events[value]!;
    if (events & event) return true;
    this.#events[value] = events | (event << WAITED_FOR);
    this.#waitCell[rank] = value;
    this.#waitEvent[rank] = event;
    return false;
  }

  #describeDeadlock(stuck: number): Problem {
    const path: number[] = [];
    for (let rank = stuck; !path.includes(rank); rank = this.#awaited(rank).rank) path.push(rank);
    const first = path.indexOf(this.#awaited(path.at(-1)!).rank);
    const ranks = path.slice(first);
    const cycle = ranks.map((rank): ActionPlace => ({ rank, actionIndex: this.#index[rank]! }));
    const story = cycle.map((place) => {
      const awaited = this.#awaited(place.rank);
      const name = nameAction(this.#program, place);
      return `rank ${place.rank} at ${name} (action ${place.actionIndex}) waits for ${awaited.name} of rank ${awaited.rank}`;
    });
    return {
      code: "deadlock",
      ...cycle[0]!,
      cycle,
      message:
        `${this.#program.schedule}: no ranks may wait for each other in a cycle; ${story.join("; ")}; ` +
        `move one of these actions`,
    };
  }

  /** Which rank's action the rank waits for. */
  #awaited(rank: number): { rank: number; name: string } {
    const { numMicroBatches, communication } = this.#program;
    const value = this.#waitCell[rank]!;
    const event = this.#waitEvent[rank]!;
    const isForward = event === Event.SENT_F || event === Event.POSTED_F;
    const isPosted = event === Event.POSTED_F || event === Event.POSTED_B;
    const flow = isForward ? "F" : "B";
    const stage = Math.floor(value / numMicroBatches);
    const microBatch = value - stage * numMicroBatches;
    if (isPosted) return { rank: this.#rankOfCell[value]!, name: `${stage}RECV_${flow}${microBatch}` };
    const source = isForward ? stage - 1 : stage + 1;
    const send = communication === "none" ? flow : `SEND_${flow}`;
    return {
      rank: rankOf(this.#program.placement, source, microBatch),
      name: `${source}${send}${microBatch}`,
    };
  }
}
