import type { ActionList } from "../program/action-list.ts";
import { type Cells, type Flow, flowOf, NO_CELL } from "../program/cells.ts";
import { hasBackwardInputs, hasForward, isReceive, isSend, Opcode } from "../program/opcode.ts";
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
 * Finds, for each rank, the first SEND that is not in the order of the computations, and the first RECV that is not at
 * the same position in its channel as the SEND of its value.
 * The program's SENDs and RECVs must be complete.
 */
export function channelProblems(program: Program, cells: Cells): Problem[] {
  return program.ranks.flatMap((_, rank) => [
    ...senderProblems(program, rank, cells),
    ...receiverProblems(program, rank, cells),
  ]);
}

/** The values of one channel that were computed and not sent yet. */
interface Computed {
  readonly values: number[];
  /** Those before it were sent. */
  numSent: number;
}

/**
 * Finds the first SEND of a rank that is not the next of its channel in the order of the computations. The engine sends
 * a result as soon as it is computed, so the receiver would get another value than this program says.
 */
function senderProblems(program: Program, rank: number, cells: Cells): Problem[] {
  const computed = { F: new Map<number, Computed>(), B: new Map<number, Computed>() };
  const add = (flow: Flow, cell: number): void => {
    const value = cells.consumerOf(flow, cell);
    if (value === NO_CELL) return;
    const receiver = cells.rankOf(value);
    const channel = computed[flow].get(receiver);
    if (channel === undefined) computed[flow].set(receiver, { values: [value], numSent: 0 });
    else channel.values.push(value);
  };
  const actions = program.ranks[rank]!;
  for (let index = 0; index < actions.length; index++) {
    const opcode = actions.opcodes[index]!;
    if (hasForward(opcode)) add("F", actions.cells[index]!);
    if (hasBackwardInputs(opcode)) add("B", actions.backwardCellAt(index));
    if (!isSend(opcode)) continue;
    const flow = flowOf(opcode);
    const value = cells.valueOf(opcode, actions.cells[index]!);
    const channel = computed[flow].get(cells.rankOf(value))!;
    const next = channel.values[channel.numSent++]!;
    if (next === value) continue;
    const sent = nameAction(program, { rank, actionIndex: index });
    const first = cells.nameOf(flow === "F" ? "SEND_F" : "SEND_B", cells.producerOf(flow, next));
    return [
      {
        code: "channel-order",
        rank,
        actionIndex: index,
        message:
          `program ${program.schedule}: the sends of a channel must have the order of the computations; rank ${rank} ` +
          `has ${sent} before ${first}, whose value it computes first; swap them, and their receives`,
      },
    ];
  }
  return [];
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
