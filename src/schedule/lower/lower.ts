/**
 * Adds the communication to a program of computations.
 *
 * The obvious lowering, "receive what the computation needs, compute, send", exposes every transfer: the receive
 * is posted when its value is already needed. The reference implementation therefore writes each send and receive
 * by hand into its schedule, and waits for whole batches of them. Here one rule serves every program:
 *
 * - a SEND follows directly the computation that makes its value, so that values leave as early as possible;
 * - a RECV is posted a window of computations before the one that needs its value, and waited for only there.
 *   Posting earlier than needed costs a buffer; a window of 1 hides a link behind one computation.
 *
 * The invariant: all values of one flow from one rank to another travel through a FIFO channel, so the n-th RECV of a
 * channel gets the n-th SEND. The receiver may need values in another order than the sender makes them. So a RECV is
 * not written where its own value is needed, but in the order of the sender's computations: a computation that needs
 * a value posts the receives of all values that leave the sender before it, too. `ChannelReader` walks the sender's
 * program for that, once per channel.
 *
 * Last, synchronous-sends.ts moves receives further forward where a send that waits for its receive would deadlock.
 */
import { type ActionList, ActionListBuilder } from "../program/action-list.ts";
import { Cells, type Flow, NO_CELL } from "../program/cells.ts";
import { hasBackwardInputs, hasForward, Opcode } from "../program/opcode.ts";
import type { Program } from "../program/program.ts";
import { ScheduleError } from "../program/schedule-error.ts";
import { postReceivesForSynchronousSends } from "./synchronous-sends.ts";

export interface LowerOptions {
  /** How many computations before its own a receive is posted; 1 hides a link behind one computation. */
  readonly window?: number | undefined;
}

export const DEFAULT_RECEIVE_WINDOW = 2;

/** Walks a sender's computations and finds, in order, the values that it sends to one rank. */
class ChannelReader {
  readonly #cells: Cells;
  readonly #actions: ActionList;
  readonly #flow: Flow;
  readonly #receiver: number;
  #index = 0;

  constructor(cells: Cells, actions: ActionList, flow: Flow, receiver: number) {
    this.#cells = cells;
    this.#actions = actions;
    this.#flow = flow;
    this.#receiver = receiver;
  }

  /** The next value, or `NO_CELL` after the last. One loop for each flow, because it runs for every action. */
  next(): number {
    return this.#flow === "F" ? this.#nextActivation() : this.#nextGradient();
  }

  #nextActivation(): number {
    const { opcodes, cells, length } = this.#actions;
    while (this.#index < length) {
      const index = this.#index++;
      if (!hasForward(opcodes[index]!)) continue;
      const value = this.#cells.atNextStage(cells[index]!);
      if (value !== NO_CELL && this.#cells.rankOf(value) === this.#receiver) return value;
    }
    return NO_CELL;
  }

  #nextGradient(): number {
    const { opcodes, cells, backwardCells, length } = this.#actions;
    while (this.#index < length) {
      const index = this.#index++;
      const opcode = opcodes[index]!;
      if (!hasBackwardInputs(opcode)) continue;
      const cell = opcode === Opcode.OVERLAP_F_B ? backwardCells[index]! : cells[index]!;
      const value = this.#cells.atPreviousStage(cell);
      if (value !== NO_CELL && this.#cells.rankOf(value) === this.#receiver) return value;
    }
    return NO_CELL;
  }
}

/** What all ranks of a program share while they are lowered. */
interface Lowering {
  readonly program: Program;
  readonly cells: Cells;
  readonly out: ActionListBuilder;
  /** For each flow, the values whose receive has been posted. */
  readonly posted: Readonly<Record<Flow, Uint8Array>>;
}

/** Lowers one rank: posts receives in the order of the channel's sends, and sends what another rank needs. */
class RankLowering {
  readonly #program: Program;
  readonly #cells: Cells;
  readonly #out: ActionListBuilder;
  readonly #posted: Readonly<Record<Flow, Uint8Array>>;
  readonly #rank: number;
  readonly #actions: ActionList;
  readonly #activationChannels = new Map<number, ChannelReader>();
  readonly #gradientChannels = new Map<number, ChannelReader>();

  constructor({ program, cells, out, posted }: Lowering, rank: number) {
    this.#program = program;
    this.#cells = cells;
    this.#out = out;
    this.#posted = posted;
    this.#rank = rank;
    this.#actions = program.ranks[rank]!;
  }

  run(window: number): ActionList {
    const { opcodes, cells, backwardCells, length } = this.#actions;
    let numPosted = 0;
    for (let index = 0; index < length; index++) {
      for (const end = Math.min(length, index + window + 1); numPosted < end; numPosted++) {
        this.#postReceives(numPosted);
      }
      this.#out.addCell(opcodes[index]!, cells[index]!, backwardCells[index]!);
      this.#addSends(index);
    }
    return this.#out.finish();
  }

  #postReceives(index: number): void {
    const opcode = this.#actions.opcodes[index]!;
    if (hasForward(opcode)) this.#post("F", this.#actions.cells[index]!);
    if (hasBackwardInputs(opcode)) this.#post("B", this.#actions.backwardCellAt(index));
  }

  #post(flow: Flow, value: number): void {
    const producer = this.#cells.producerOf(flow, value);
    if (producer === NO_CELL) return;
    const sender = this.#cells.rankOf(producer);
    if (sender === this.#rank) return;
    const posted = flow === "F" ? this.#posted.F : this.#posted.B;
    if (posted[value] !== 0) return;
    const channels = flow === "F" ? this.#activationChannels : this.#gradientChannels;
    let channel = channels.get(sender);
    if (channel === undefined) {
      channel = new ChannelReader(this.#cells, this.#program.ranks[sender]!, flow, this.#rank);
      channels.set(sender, channel);
    }
    while (posted[value] === 0) {
      const next = channel.next();
      if (next === NO_CELL) throw this.#neverComputed(flow, value, sender);
      posted[next] = 1;
      this.#out.addCell(flow === "F" ? Opcode.RECV_F : Opcode.RECV_B, next, 0);
    }
  }

  #neverComputed(flow: Flow, value: number, sender: number): ScheduleError {
    return new ScheduleError(
      "INVALID_PROGRAM",
      `program ${this.#program.schedule}: every value must be computed before it is received; rank ${sender} never ` +
        `computes what rank ${this.#rank} needs for ${this.#cells.nameOf(flow, value)}; add the missing action`,
      {
        rank: this.#rank,
        stage: this.#cells.stageOf(value),
        microBatch: this.#cells.microBatchOf(value),
      },
    );
  }

  #addSends(index: number): void {
    const opcode = this.#actions.opcodes[index]!;
    if (hasForward(opcode)) this.#send("F", this.#actions.cells[index]!);
    if (hasBackwardInputs(opcode)) this.#send("B", this.#actions.backwardCellAt(index));
  }

  #send(flow: Flow, cell: number): void {
    const consumer = this.#cells.consumerOf(flow, cell);
    if (consumer === NO_CELL || this.#cells.rankOf(consumer) === this.#rank) return;
    this.#out.addCell(flow === "F" ? Opcode.SEND_F : Opcode.SEND_B, cell, 0);
  }
}

/**
 * The program with its communication: a SEND directly after the computation that makes its value, a RECV a window
 * of computations before the one that needs it. Every directed edge between two ranks has one FIFO channel for
 * activations and one for activation gradients. The result does not deadlock, even where a send waits until its
 * receive is posted.
 * @throws ScheduleError `INVALID_PROGRAM` when the program communicates already or a value is never computed.
 */
export function lower(program: Program, { window = DEFAULT_RECEIVE_WINDOW }: LowerOptions = {}): Program {
  // The lowered program of a single rank is its computations, so reading one cannot tell them apart.
  if (program.numRanks === 1 && program.communication === "eager") return program;
  if (program.communication !== "none") {
    throw new ScheduleError(
      "INVALID_PROGRAM",
      `program ${program.schedule}: only a program of computations can be lowered; got one with communication ` +
        `"${program.communication}"; lower the program that the schedule generates`,
    );
  }
  const cells = new Cells(program);
  const posted = { F: new Uint8Array(cells.numCells), B: new Uint8Array(cells.numCells) };
  const lowering = { program, cells, posted, out: new ActionListBuilder(program.numMicroBatches) };
  const ranks = program.ranks.map((_, rank) => new RankLowering(lowering, rank).run(window));
  return postReceivesForSynchronousSends({ ...program, communication: "eager", ranks }, cells);
}
