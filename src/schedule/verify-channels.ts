import { type ActionList, Opcode } from "./action-list.ts";
import { rankOf } from "./placement.ts";
import { nameAction, type Problem } from "./problem.ts";
import type { Program } from "./program.ts";

/** Walks the SENDs of one kind from one rank to another. */
class SendReader {
  readonly #program: Program;
  readonly #actions: ActionList;
  readonly #opcode: number;
  readonly #receiver: number;
  index = -1;

  constructor(program: Program, sender: number, opcode: number, receiver: number) {
    this.#program = program;
    this.#actions = program.ranks[sender]!;
    this.#opcode = opcode;
    this.#receiver = receiver;
  }

  /** The receiving stage's cell of the next SEND, or -1 after the last. */
  next(): number {
    const { opcodes, cells, length } = this.#actions;
    const { numMicroBatches } = this.#program;
    for (this.index++; this.index < length; this.index++) {
      if (opcodes[this.index] !== this.#opcode) continue;
      const offset = this.#opcode === Opcode.SEND_F ? numMicroBatches : -numMicroBatches;
      const target = cells[this.index]! + offset;
      if (rankOfCell(this.#program, target) === this.#receiver) return target;
    }
    return -1;
  }
}

function rankOfCell({ placement, numMicroBatches }: Program, cell: number): number {
  const stage = Math.floor(cell / numMicroBatches);
  return rankOf(placement, stage, cell - stage * numMicroBatches);
}

/**
 * Finds the first receive of each rank that stands at another place in its channel than the send of its value;
 * the program's SENDs and RECVs must be complete.
 */
export function channelProblems(program: Program): Problem[] {
  return program.ranks.flatMap((_, rank) => receiverProblems(program, rank));
}

function receiverProblems(program: Program, rank: number): Problem[] {
  const { numMicroBatches } = program;
  const readers = { F: new Map<number, SendReader>(), B: new Map<number, SendReader>() };
  const { opcodes, cells, length } = program.ranks[rank]!;
  for (let index = 0; index < length; index++) {
    const opcode = opcodes[index]!;
    if (opcode !== Opcode.RECV_F && opcode !== Opcode.RECV_B) continue;
    const isForward = opcode === Opcode.RECV_F;
    const flow = isForward ? "F" : "B";
    const cell = cells[index]!;
    const sender = rankOfCell(program, isForward ? cell - numMicroBatches : cell + numMicroBatches);
    let reader = readers[flow].get(sender);
    if (reader === undefined) {
      reader = new SendReader(program, sender, isForward ? Opcode.SEND_F : Opcode.SEND_B, rank);
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
