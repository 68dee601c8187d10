import { type ActionList, Opcode } from "../program/action-list.ts";
import { ranksOfCells } from "../program/placement.ts";
import type { Program } from "../program/program.ts";
import { nameAction, type Problem } from "./problem.ts";

/** Walks the SENDs of one kind from one rank to another. */
class SendReader {
  readonly #rankOfCell: Uint32Array;
  readonly #actions: ActionList;
  readonly #opcode: number;
  readonly #receiver: number;
  index = -1;

  constructor(actions: ActionList, opcode: number, rankOfCell: Uint32Array, receiver: number) {
    this.#rankOfCell = rankOfCell;
    this.#actions = actions;
    this.#opcode = opcode;
    this.#receiver = receiver;
  }

  /** The receiving stage's cell of the next SEND, or -1 after the last. */
  next(): number {
    const { opcodes, cells, length, numMicroBatches } = this.#actions;
    const offset = this.#opcode === Opcode.SEND_F ? numMicroBatches : -numMicroBatches;
    for (this.index++; this.index < length; this.index++) {
      if (opcodes[this.index] !== this.#opcode) continue;
      const target = cells[this.index]! + offset;
      if (this.#rankOfCell[target] === this.#receiver) return target;
    }
    return -1;
  }
}

/**
 * Finds the first receive of each rank that stands at another place in its channel than the send of its value;
 * the program's SENDs and RECVs must be complete.
 */
export function channelProblems(program: Program): Problem[] {
  const rankOfCell = ranksOfCells(program.placement);
  return program.ranks.flatMap((_, rank) => receiverProblems(program, rank, rankOfCell));
}

function receiverProblems(program: Program, rank: number, rankOfCell: Uint32Array): Problem[] {
  const { numMicroBatches } = program;
  const readers = { F: new Map<number, SendReader>(), B: new Map<number, SendReader>() };
  const { opcodes, cells, length } = program.ranks[rank]!;
  for (let index = 0; index < length; index++) {
    const opcode = opcodes[index]!;
    if (opcode !== Opcode.RECV_F && opcode !== Opcode.RECV_B) continue;
    const isForward = opcode === Opcode.RECV_F;
    const flow = isForward ? "F" : "B";
    const cell = cells[index]!;
    const sender = rankOfCell[isForward ? cell - numMicroBatches : cell + numMicroBatches]!;
    let reader = readers[flow].get(sender);
    if (reader === undefined) {
      const send = isForward ? Opcode.SEND_F : Opcode.SEND_B;
      reader = new SendReader(program.ranks[sender]!, send, rankOfCell, rank);
      readers[flow].set(sender, reader);
    }
    if (reader.next() !== cell) {
      const sent = nameAction(program, { rank: sender, actionIndex: reader.index });
      const received = nameAction(program, { rank, actionIndex: index });
      return [
        {
          code: "channel-order",
          rank,
          actionIndex: index,
          message:
            `${program.schedule}: receives must be posted in the order of the sends of their channel; rank ${rank} ` +
            `posts ${received} where rank ${sender} sends ${sent}; swap one of them`,
        },
      ];
    }
  }
  return [];
}
