import { type ActionList, ActionListBuilder, Opcode } from "../program/action-list.ts";
import { ranksOfCells } from "../program/placement.ts";
import type { Program } from "../program/program.ts";
import { ScheduleError } from "../program/schedule-error.ts";
import { postReceivesForRendezvous } from "./synchronous-sends.ts";

export interface LowerOptions {
  /** How many computations before its own a receive is posted; 1 hides a link behind one computation. */
  readonly window?: number;
}

export const DEFAULT_RECEIVE_WINDOW = 2;

type Flow = "F" | "B";

/** Walks a producer's computations and finds, in order, the values that it sends to one rank. */
class ChannelReader {
  readonly #rankOfCell: Uint32Array;
  readonly #actions: ActionList;
  readonly #flow: Flow;
  readonly #receiver: number;
  #index = 0;

  constructor(rankOfCell: Uint32Array, actions: ActionList, flow: Flow, receiver: number) {
    this.#rankOfCell = rankOfCell;
    this.#actions = actions;
    this.#flow = flow;
    this.#receiver = receiver;
  }

  /** The receiving stage's cell of the next value, or -1 after the last. */
  next(): number {
    const { opcodes } = this.#actions;
    while (this.#index < opcodes.length) {
      const index = this.#index++;
      const cell =
        this.#flow === "F"
          ? forwardTarget(this.#actions, index, this.#rankOfCell.length)
          : backwardTarget(this.#actions, index);
      if (cell >= 0 && this.#rankOfCell[cell] === this.#receiver) return cell;
    }
    return -1;
  }
}

/** The cell that takes this action's activation, or -1 when there is none. */
function forwardTarget(actions: ActionList, index: number, numCells: number): number {
  const opcode = actions.opcodes[index]!;
  if (opcode !== Opcode.F && opcode !== Opcode.OVERLAP_F_B) return -1;
  const target = actions.cells[index]! + actions.numMicroBatches;
  return target < numCells ? target : -1;
}

/** The cell that takes this action's input gradient, or -1 when there is none. */
function backwardTarget(actions: ActionList, index: number): number {
  const cell = backwardCell(actions, index);
  return cell < 0 ? -1 : Math.max(-1, cell - actions.numMicroBatches);
}

function backwardCell(actions: ActionList, index: number): number {
  const opcode = actions.opcodes[index]!;
  if (opcode === Opcode.OVERLAP_F_B) return actions.backwardCells[index]!;
  return opcode === Opcode.I || opcode === Opcode.B ? actions.cells[index]! : -1;
}

/** Lowers one rank: posts receives in the order of the channel's sends, and sends what another rank needs. */
class RankLowering {
  readonly #program: Program;
  readonly #rank: number;
  readonly #actions: ActionList;
  readonly #out: ActionListBuilder;
  readonly #posted: Readonly<Record<Flow, Uint8Array>>;
  readonly #channels = { F: new Map<number, ChannelReader>(), B: new Map<number, ChannelReader>() };
  readonly #rankOfCell: Uint32Array;

  constructor(
    program: Program,
    rank: number,
    rankOfCell: Uint32Array,
    out: ActionListBuilder,
    posted: Readonly<Record<Flow, Uint8Array>>,
  ) {
    this.#program = program;
    this.#rank = rank;
    this.#rankOfCell = rankOfCell;
    this.#actions = program.ranks[rank]!;
    this.#out = out;
    this.#posted = posted;
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
    const { opcodes, cells, numMicroBatches } = this.#actions;
    const opcode = opcodes[index]!;
    const cell = cells[index]!;
    if ((opcode === Opcode.F || opcode === Opcode.OVERLAP_F_B) && cell >= numMicroBatches) {
      this.#post("F", cell, cell - numMicroBatches);
    }
    const backward = backwardCell(this.#actions, index);
    if (backward >= 0 && backward + numMicroBatches < this.#rankOfCell.length) {
      this.#post("B", backward, backward + numMicroBatches);
    }
  }

  #post(flow: Flow, cell: number, sourceCell: number): void {
    const { ranks, numMicroBatches } = this.#program;
    const source = this.#rankOfCell[sourceCell]!;
    if (source === this.#rank) return;
    let channel = this.#channels[flow].get(source);
    if (channel === undefined) {
      channel = new ChannelReader(this.#rankOfCell, ranks[source]!, flow, this.#rank);
      this.#channels[flow].set(source, channel);
    }
    const posted = this.#posted[flow];
    while (posted[cell] === 0) {
      const next = channel.next();
      if (next < 0) {
        const stage = Math.floor(cell / numMicroBatches);
        const microBatch = cell - stage * numMicroBatches;
        throw new ScheduleError(
          "INVALID_PROGRAM",
          `${this.#program.schedule}: every value must be computed before it is received; rank ${source} never ` +
            `computes what rank ${this.#rank} needs for ${stage}${flow}${microBatch}; add the missing action`,
          { rank: this.#rank, stage, microBatch },
        );
      }
      posted[next] = 1;
      this.#out.addCell(flow === "F" ? Opcode.RECV_F : Opcode.RECV_B, next, 0);
    }
  }

  #addSends(index: number): void {
    const rankOfCell = this.#rankOfCell;
    const forward = forwardTarget(this.#actions, index, rankOfCell.length);
    if (forward >= 0 && rankOfCell[forward] !== this.#rank) {
      this.#out.addCell(Opcode.SEND_F, this.#actions.cells[index]!, 0);
    }
    const backward = backwardTarget(this.#actions, index);
    if (backward >= 0 && rankOfCell[backward] !== this.#rank) {
      this.#out.addCell(Opcode.SEND_B, backwardCell(this.#actions, index), 0);
    }
  }
}

/**
 * Adds communication, eagerly: a SEND follows the computation whose value it moves, and a RECV is posted a
 * window of computations before the one that needs it. Every directed edge between two ranks has one FIFO
 * channel for activations and one for gradients; receives are posted in the order of the channel's sends, and
 * early enough that no rank would wait for ever at a send that stops it until the receive is posted.
 * @throws ScheduleError `INVALID_PROGRAM` when the program communicates already or a value is never computed.
 */
export function lower(program: Program, { window = DEFAULT_RECEIVE_WINDOW }: LowerOptions = {}): Program {
  if (program.communication !== "none") {
    throw new ScheduleError(
      "INVALID_PROGRAM",
      `${program.schedule}: only a program of computations can be lowered; got one with communication ` +
        `"${program.communication}"; lower the program that the schedule generates`,
    );
  }
  const numCells = program.numStages * program.numMicroBatches;
  const posted = { F: new Uint8Array(numCells), B: new Uint8Array(numCells) };
  const out = new ActionListBuilder(program.numMicroBatches);
  const rankOfCell = ranksOfCells(program.placement);
  const ranks = program.ranks.map((_, rank) =>
    new RankLowering(program, rank, rankOfCell, out, posted).run(window),
  );
  return postReceivesForRendezvous({ ...program, communication: "eager", ranks });
}
