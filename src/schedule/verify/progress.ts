/**
 * Finds deadlocks by running the program on an abstract machine that has no clock.
 *
 * A cycle in a graph of all dependencies would be a deadlock too, but that graph has an edge or more per action and
 * must know about every executor's way of waiting. Running is simpler, and one run proves it: a rank's only choice
 * is to go on or to wait, and what has happened never becomes undone, so all orders of running the ranks end in the
 * same state. When no rank can go on and one is not at its end, every run deadlocks there.
 *
 * All that a rank can wait for is an event of a value: that it was sent, or that its receive was posted. Each value
 * has four bits for those, two per flow, and four more that say "a rank waits for this". So the state of a program
 * is a byte per cell and a position per rank, and an event looks for the waiting rank only where there is one. A
 * rank runs until it must wait; the event it waits for puts it back on the list of runnable ranks. Each action is
 * therefore looked at about once. The order within channels is checked before (channels.ts), so a transfer is complete
 * when its own two sides have started.
 *
 * The rules are at least as strict as those of any executor: a computation needs all its values when it starts, and
 * gives its values when it ends. A program that ends here ends everywhere.
 */
import { type Cells, flowOf, NO_CELL } from "../program/cells.ts";
import { hasBackwardInputs, hasForward, isSend, isTransfer, Opcode } from "../program/opcode.ts";
import type { Program } from "../program/program.ts";
import { type ActionLocation, nameAction, type Problem } from "./problem.ts";

/**
 * What a send does whose receive is not posted yet. `rendezvous`: it is synchronous, its rank waits. `buffered`: its
 * rank goes on.
 */
export type SendModel = "rendezvous" | "buffered";

export const SEND_MODELS: readonly SendModel[] = ["rendezvous", "buffered"];

/** A receive that another rank's send waits for, and where the rank that must post it is. */
export interface MissingReceive extends ActionLocation {
  readonly opcode: number;
  readonly cell: number;
}

const Event = { SENT_F: 1, POSTED_F: 2, SENT_B: 4, POSTED_B: 8 } as const;

/** The bit "a rank waits for this event" is this many positions above the bit of the event. */
const WAITED_FOR = 4;

/** The event that happens when a SEND or RECV starts; by opcode. */
const STARTED: readonly number[] = eventsByOpcode(Event.SENT_F, Event.POSTED_F, Event.SENT_B, Event.POSTED_B);

/** The event of the other side, which completes a SEND or RECV; by opcode. */
const COMPLETED: readonly number[] = eventsByOpcode(
  Event.POSTED_F,
  Event.SENT_F,
  Event.POSTED_B,
  Event.SENT_B,
);

function eventsByOpcode(sendF: number, recvF: number, sendB: number, recvB: number): number[] {
  const events: number[] = [];
  events[Opcode.SEND_F] = sendF;
  events[Opcode.RECV_F] = recvF;
  events[Opcode.SEND_B] = sendB;
  events[Opcode.RECV_B] = recvB;
  return Array.from(events, (event) => event ?? 0);
}

/** Runs a program whose actions are complete and in order, as far as it can go. */
export class ProgressCheck {
  readonly #program: Program;
  readonly #isSynchronous: boolean;
  readonly #cells: Cells;
  /** The events of each value, which is named by its consumer. */
  readonly #events: Uint8Array;
  readonly #index: Uint32Array;
  /** The end of the batch whose transfers a rank has started; 0 when it has started none. */
  readonly #batchEnd: Uint32Array;
  /** The value and its event that a rank waits for. */
  readonly #awaitedValue: Float64Array;
  readonly #awaitedEvent: Uint8Array;
  readonly #runnable: number[] = [];

  constructor(program: Program, cells: Cells, sends: SendModel) {
    this.#program = program;
    this.#isSynchronous = sends === "rendezvous";
    this.#cells = cells;
    this.#events = new Uint8Array(cells.numCells);
    this.#index = new Uint32Array(program.numRanks);
    this.#batchEnd = new Uint32Array(program.numRanks);
    this.#awaitedValue = new Float64Array(program.numRanks).fill(NO_CELL);
    this.#awaitedEvent = new Uint8Array(program.numRanks);
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
      this.#awaitedValue[rank] = NO_CELL;
      this.#runRank(rank);
    }
  }

  /** The receives that settled ranks wait for in their sends. */
  missingReceives(): MissingReceive[] {
    const missing: MissingReceive[] = [];
    for (let rank = 0; rank < this.#program.numRanks; rank++) {
      const cell = this.#awaitedValue[rank]!;
      const event = this.#awaitedEvent[rank]!;
      if (cell === NO_CELL || (event !== Event.POSTED_F && event !== Event.POSTED_B)) continue;
      const receiver = this.#cells.rankOf(cell);
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
      if (!isTransfer(opcode)) {
        if (!this.#stepComputation(rank, opcode, cells[index]!, backwardCells[index]!)) break;
      } else if (isBatched) {
        index = this.#stepBatch(rank, index);
        if (this.#batchEnd[rank] !== 0) break;
      } else {
        this.#start(opcode, cells[index]!);
        if (isSend(opcode) && this.#isSynchronous && !this.#isComplete(rank, opcode, cells[index]!)) break;
      }
    }
    this.#index[rank] = index;
  }

  /** Where the rank then is: at the batch's last action, or, with `#batchEnd` still set, at one that waits. */
  #stepBatch(rank: number, index: number): number {
    const { opcodes, cells, length } = this.#program.ranks[rank]!;
    let end = this.#batchEnd[rank]!;
    if (end === 0) {
      for (end = index; end < length && isTransfer(opcodes[end]!); end++) {
        this.#start(opcodes[end]!, cells[end]!);
      }
      this.#batchEnd[rank] = end;
    }
    for (let next = index; next < end; next++) {
      const opcode = opcodes[next]!;
      if (isSend(opcode) && !this.#isSynchronous) continue;
      if (!this.#isComplete(rank, opcode, cells[next]!)) return next;
    }
    this.#batchEnd[rank] = 0;
    return end - 1;
  }

  #stepComputation(rank: number, opcode: number, cell: number, backwardCell: number): boolean {
    const runsForward = hasForward(opcode);
    const runsBackward = hasBackwardInputs(opcode);
    const backward = opcode === Opcode.OVERLAP_F_B ? backwardCell : cell;
    const cells = this.#cells;
    if (runsForward && cells.atPreviousStage(cell) !== NO_CELL && !this.#has(rank, cell, Event.SENT_F)) {
      return false;
    }
    if (runsBackward && cells.atNextStage(backward) !== NO_CELL && !this.#has(rank, backward, Event.SENT_B)) {
      return false;
    }
    if (runsForward) this.#computed(rank, cells.atNextStage(cell), Event.SENT_F);
    if (runsBackward) this.#computed(rank, cells.atPreviousStage(backward), Event.SENT_B);
    return true;
  }

  /** Values move by themselves on their own rank, and everywhere in a program of computations only. */
  #computed(rank: number, value: number, event: number): void {
    if (value === NO_CELL) return;
    if (this.#cells.rankOf(value) === rank || this.#program.communication === "none")
      this.#happen(value, event);
  }

  #start(opcode: number, cell: number): void {
    this.#happen(this.#cells.valueOf(opcode, cell), STARTED[opcode]!);
  }

  /** Whether the other side of a started transfer has started too; if not, the rank waits for that. */
  #isComplete(rank: number, opcode: number, cell: number): boolean {
    return this.#has(rank, this.#cells.valueOf(opcode, cell), COMPLETED[opcode]!);
  }

  #happen(value: number, event: number): void {
    const events = this.#events[value]!;
    this.#events[value] = events | event;
    if (events & (event << WAITED_FOR)) this.#runnable.push(this.#waiterOf(value, event));
  }

  /** The receiver of a value waits for it to be sent, and the sender for its receive to be posted. */
  #waiterOf(value: number, event: number): number {
    if (event === Event.POSTED_F) return this.#cells.rankOf(this.#cells.producerOf("F", value));
    if (event === Event.POSTED_B) return this.#cells.rankOf(this.#cells.producerOf("B", value));
    return this.#cells.rankOf(value);
  }

  /** Whether the event has happened; if not, the rank waits for it. */
  #has(rank: number, value: number, event: number): boolean {
    const events = this.#events[value]!;
    if (events & event) return true;
    this.#events[value] = events | (event << WAITED_FOR);
    this.#awaitedValue[rank] = value;
    this.#awaitedEvent[rank] = event;
    return false;
  }

  #describeDeadlock(stuck: number): Problem {
    const path: number[] = [];
    for (let rank = stuck; !path.includes(rank); rank = this.#awaitedBy(rank).rank) path.push(rank);
    const first = path.indexOf(this.#awaitedBy(path.at(-1)!).rank);
    const ranks = path.slice(first);
    const cycle = ranks.map((rank): ActionLocation => ({ rank, actionIndex: this.#index[rank]! }));
    const story = cycle.map((location) => {
      const { rank, actionIndex } = location;
      const awaited = this.#awaitedBy(rank);
      const name = nameAction(this.#program, location);
      return `rank ${rank} at ${name} (action ${actionIndex}) waits for ${awaited.name} of rank ${awaited.rank}`;
    });
    return {
      code: "deadlock",
      ...cycle[0]!,
      cycle,
      message:
        `program ${this.#program.schedule}: no ranks may wait for each other in a cycle; ${story.join("; ")}; ` +
        `move one of these actions`,
    };
  }

  /** The action that the rank waits for, and the rank that must run it. */
  #awaitedBy(rank: number): { rank: number; name: string } {
    const value = this.#awaitedValue[rank]!;
    const event = this.#awaitedEvent[rank]!;
    const receive = event === Event.SENT_F || event === Event.POSTED_F ? "RECV_F" : "RECV_B";
    if (event === Event.POSTED_F || event === Event.POSTED_B) {
      return { rank: this.#cells.rankOf(value), name: this.#cells.nameOf(receive, value) };
    }
    const flow = flowOf(Opcode[receive]);
    const producer = this.#cells.producerOf(flow, value);
    const send = this.#program.communication === "none" ? flow : `SEND_${flow}`;
    return { rank: this.#cells.rankOf(producer), name: this.#cells.nameOf(send, producer) };
  }
}
