/**
 * Programs as columns of numbers.
 *
 * A step of 2,048 ranks has 50 million actions. As objects they would need gigabytes, and most of the time of
 * `lower`, `verify` and `simulate` would go into creating and collecting them. So a rank's actions are three
 * typed arrays, nine bytes per action: its opcode, its cell (stage and micro-batch as one number, see cells.ts)
 * and, for a pair, the cell of its backward. Loops over whole programs read the columns; everything else reads
 * `at` and iterates, which create one object per action asked for.
 *
 * Columns never change once the builder has handed them out, so programs may share them.
 */
import type { Action, CommunicationKind, ComputationKind } from "./action.ts";
import { KIND_OF_OPCODE, Opcode } from "./opcode.ts";
import { ScheduleError } from "./schedule-error.ts";

/** Cells are numbered in 32 bits. */
const MAX_CELLS = 2 ** 32 - 1;

/** One rank's actions in order. */
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

  /** The cell whose backward the action runs, for an action that has one. */
  backwardCellAt(index: number): number {
    return this.opcodes[index] === Opcode.OVERLAP_F_B ? this.backwardCells[index]! : this.cells[index]!;
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
    if (kind !== "OVERLAP_F_B") return { kind, ...this.#locate(cell) };
    return {
      kind,
      forward: { kind: "F", ...this.#locate(cell) },
      backward: { kind: "B", ...this.#locate(this.backwardCells[index]!) },
    };
  }

  *[Symbol.iterator](): IterableIterator<Action> {
    for (let index = 0; index < this.length; index++) yield this.at(index);
  }

  stageOf(cell: number): number {
    return Math.floor(cell / this.numMicroBatches);
  }

  #locate(cell: number): { stage: number; microBatch: number } {
    const stage = this.stageOf(cell);
    return { stage, microBatch: cell - stage * this.numMicroBatches };
  }
}

/** Collects actions into an `ActionList`; `finish` returns the list and empties the builder for the next one. */
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

  /** Appends an action that is no pair. @throws ScheduleError as `push` does. */
  add(kind: ComputationKind | CommunicationKind, stage: number, microBatch: number): void {
    this.addCell(Opcode[kind], this.#cell(stage, microBatch), 0);
  }

  /** Appends an overlapped pair. @throws ScheduleError as `push` does. */
  pair(forwardStage: number, forwardMicroBatch: number, stage: number, microBatch: number): void {
    const forwardCell = this.#cell(forwardStage, forwardMicroBatch);
    this.addCell(Opcode.OVERLAP_F_B, forwardCell, this.#cell(stage, microBatch));
  }

  /** Appends an action by its numbers, unchecked; `backwardCell` is 0 for all but pairs. */
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
          `correct the action`,
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
