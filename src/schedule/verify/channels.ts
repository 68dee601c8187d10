import type { ActionList } from "../program/action-list.ts";
import { type Cells, type Flow, flowOf } from "../program/cells.ts";
import { isReceive, Opcode } from "../program/opcode.ts";
import type { Program } from "../program/program.ts";
import { nameAction, type Problem } from "./problem.ts";

/** Walks the SENDs of one channel: those of one flow from one rank to another. */
class SendReader {
  readonly #cells: Cells;
  readonly #actions: ActionList;
  readonly #opcode: number;
  readonly #receiver: number;
  index = -1;

  constructor(cells: Cells, actions: ActionList, flow: Flow, receiver: number) {
    this.#cells = cells;
    this.#actions = actions;
    this.#opcode = flow === "F" ? Opcode.SEND_F : Opcode.SEND_B;
    this.#receiver = receiver;
  }

  /** The value of the next SEND, or -1 after the last. */
  next(): number {
    const { opcodes, cells, length } = this.#actions;
    for (this.index++; this.index < length; this.index++) {
      if (opcodes[this.index] !== this.#opcode) continue;
      const value = this.#cells.valueOf(this.#opcode, cells[this.index]!);
      if (this.#cells.rankOf(value) === this.#receiver) return value;
    }
    return -1;
  }
}

/**
 * Finds, for each rank, the first RECV that is not at the same position in its channel as the SEND of its value.
 * The program's SENDs and RECVs must be complete.
 */
export function channelProblems(program: Program, cells: Cells): Problem[] {
  return program.ranks.flatMap((_, rank) => receiverProblems(program, rank, cells));
}

function receiverProblems(program: Program, rank: number, cells: Cells): Problem[] {
  const readers = { F: new Map<number, SendReader>(), B: new Map<number, SendReader>() };
  const { opcodes, cells: cellOfAction, length } = program.ranks[rank]!;
  for (let index = 0; index < length; index++) {
    const opcode = opcodes[index]!;
    if (!isReceive(opcode)) continue;
    const value = cellOfAction[index]!;
    const flow = flowOf(opcode);
    const sender = cells.rankOf(cells.producerOf(flow, value));
    const ofFlow = flow === "F" ? readers.F : readers.B;
    let reader = ofFlow.get(sender);
    if (reader === undefined) {
      reader = new SendReader(cells, program.ranks[sender]!, flow, rank);
      ofFlow.set(sender, reader);
    }
    if (reader.next() !== value) {
      const sent = nameAction(program, { rank: sender, actionIndex: reader.index });
      const received = nameAction(program, { rank, actionIndex: index });
      return [
        {
          code: "channel-order",
          rank,
          actionIndex: index,
          message:
            `program ${program.schedule}: receives must be posted in the order of the sends of their channel; rank ${rank} ` +
            `posts ${received} where rank ${sender} sends ${sent}; swap one of them`,
        },
      ];
    }
  }
  return [];
}
