import type { Action, CommunicationKind, ComputationKind } from "./action.ts";
import { ScheduleError } from "./schedule-error.ts";

/** The numbers under which an `ActionList` stores kinds of actions. */
export const Opcode = {
  F: 0,
  I: 1,
  W: 2,
  B: 3,
  OVERLAP_F_B: 4,
  SEND_F: 5,
  RECV_F: 6,
  SEND_B: 7,
  RECV_B: 8,
} as const satisfies Record<Action["kind"], number>;

export type Opcode = (typeof Opcode)[keyof typeof Opcode];

const KIND_OF_OPCODE = Object.keys(Opcode) as Action["kind"][];

/** A list holds at most this many (stage, micro-batch) cells, because it numbers them in 32 bits. */
const MAX_CELLS = 2 ** 32 - 1;

/**
 * One rank's actions in order, nine bytes each, so that programs of many millions of actions fit in memory.
 * A cell is `stage * numMicroBatches + microBatch`; the columns are for loops over whole programs, `at` and
 * iteration for everyone else.
 */
export class ActionList implements Iterable<Action> {
  readonly numMicroBatches: number;
  readonly opcodes: Uint8Array;
  readonly cells: Uint32Array;
  /** The cell of the backward in an overlapped pair; 0 for other actions. */
  readonly backwardCells: Uint32Array;

  constructor(numMicroBatches: number, opcodes: Uint8Array, cells: Uint32Array, backwardCells: Uint32Array) {
    this.numMicroBatches = numMicroBatches;
    this.opcodes = opcodes;
    this.cells = cells;
    this.backwardCells = backwardCells;
  }

  static from(actions: Iterable<Action>, numMicroBatches: number): ActionList {
    const builder = new ActionListBuilder(numMicroBatches);
    for (const action of actions) builder.push(action);
    return builder.finish();
  }

  get length(): number {
    return this.opcodes.length;
  }

  /** @throws ScheduleError `INVALID_ACTION` when there is no action at this index. */
  at(index: number): Action {
    const opcode = this.opcodes[index];
    if (opcode === undefined) {
      throw new ScheduleError(
        "INVALID_ACTION",
        `action: the index must be a whole number from 0 and under ${this.length}; got ${index}; use another`,
      );
    }
    const kind = KIND_OF_OPCODE[opcode]!;
    const cell = this.cells[index]!;
    if (kind !== "OVERLAP_F_B") return { kind, ...this.#place(cell) };
    return {
      kind,
      forward: { kind: "F", ...this.#place(cell) },
      backward: { kind: "B", ...this.#place(this.backwardCells[index]!) },
    };
  }

  *[Symbol.iterator](): IterableIterator<Action> {
    for (let index = 0; index < this.length; index++) yield this.at(index);
  }

  #place(cell: number): { stage: number; microBatch: number } {
    const stage = Math.floor(cell / this.numMicroBatches);
    return { stage, microBatch: cell - stage * this.numMicroBatches };
  }
}

/** Collects actions into an `ActionList`; `finish` hands the list out and makes the builder empty again. */
export class ActionListBuilder {
  readonly #numMicroBatches: number;
  #length = 0;
  #opcodes: Uint8Array;
  #cells: Uint32Array;
  #backwardCells: Uint32Array;

  constructor(numMicroBatches: number, capacity = 64) {
    this.#numMicroBatches = numMicroBatches;
    this.#opcodes = new Uint8Array(capacity);
    this.#cells = new Uint32Array(capacity);
    this.#backwardCells = new Uint32Array(capacity);
  }

  /** @throws ScheduleError `INVALID_ACTION` when the micro-batch does not exist or the cell has no number. */
  push(action: Action): void {
    if (action.kind === "OVERLAP_F_B") {
      const { forward, backward } = action;
      this.pair(forward.stage, forward.microBatch, backward.stage, backward.microBatch);
    } else {
      this.add(action.kind, action.stage, action.microBatch);
    }
  }

  add(kind: ComputationKind | CommunicationKind, stage: number, microBatch: number): void {
    this.addCell(Opcode[kind], this.#cell(stage, microBatch), 0);
  }

  pair(forwardStage: number, forwardMicroBatch: number, stage: number, microBatch: number): void {
    const forwardCell = this.#cell(forwardStage, forwardMicroBatch);
    this.addCell(Opcode.OVERLAP_F_B, forwardCell, this.#cell(stage, microBatch));
  }

  addCell(opcode: number, cell: number, backwardCell: number): void {
    if (this.#length === this.#opcodes.length) this.#grow();
    const index = this.#length++;
    this.#opcodes[index] = opcode;
    this.#cells[index] = cell;
    this.#backwardCells[index] = backwardCell;
  }

  finish(): ActionList {
    const length = this.#length;
    this.#length = 0;
    return new ActionList(
      this.#numMicroBatches,
      this.#opcodes.slice(0, length),
      this.#cells.slice(0, length),
      this.#backwardCells.slice(0, length),
    );
  }

  #cell(stage: number, microBatch: number): number {
    const cell = stage * this.#numMicroBatches + microBatch;
    if (microBatch >= this.#numMicroBatches || cell > MAX_CELLS) {
      throw new ScheduleError(
        "INVALID_ACTION",
        `action: micro-batch must be under ${this.#numMicroBatches} and the stage under ` +
          `${Math.floor(MAX_CELLS / this.#numMicroBatches)}; got stage ${stage}, micro-batch ${microBatch}; ` +
          `correct the number`,
        { stage, microBatch },
      );
    }
    return cell;
  }

  #grow(): void {
    const capacity = Math.max(64, this.#opcodes.length * 2);
    const widen = <Column extends Uint8Array | Uint32Array>(wide: Column, narrow: Column): Column => {
      wide.set(narrow);
      return wide;
    };
    this.#opcodes = widen(new Uint8Array(capacity), this.#opcodes);
    this.#cells = widen(new Uint32Array(capacity), this.#cells);
    this.#backwardCells = widen(new Uint32Array(capacity), this.#backwardCells);
  }
}
