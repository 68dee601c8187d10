/**
 * The one place that knows which computation makes a value and which one takes it.
 *
 * A cell is one micro-batch at one stage, numbered `stage * numMicroBatches + microBatch`, so the same
 * micro-batch at the next stage is `numMicroBatches` further on. Two kinds of values move between neighbouring
 * stages, and each kind is a flow: an activation from the F of a cell to the F one stage later, an activation
 * gradient from the I of a cell to the I one stage earlier.
 *
 * A value is named by its flow and the cell that takes it, its consumer. Every cell takes at most one value of
 * each flow, so tables over values have the size of tables over cells, and both ends of a transfer agree on
 * the name: `2SEND_F7` and `3RECV_F7` both move the activation of cell (3, 7). The first stage takes no
 * activation and the last one no gradient, which `NO_CELL` stands for.
 */
import { KIND_OF_OPCODE, Opcode } from "./opcode.ts";
import type { Program } from "./program.ts";

/** Activations ("F") move to the next stage, activation gradients ("B") to the previous one. */
export type Flow = "F" | "B";

/** The model's input, its loss, and what comes before and after them. */
export const NO_CELL = -1;

/** The flow that a transfer belongs to. */
export function flowOf(transfer: number): Flow {
  return transfer === Opcode.SEND_F || transfer === Opcode.RECV_F ? "F" : "B";
}

/** The cells of a program, with the rank that runs each of them. */
export class Cells {
  readonly numMicroBatches: number;
  readonly numCells: number;
  readonly #rankOfCell: Uint32Array;
  /** How far the value of a transfer is from the transfer's cell; by opcode. */
  readonly #valueOffset: Int32Array;

  constructor({ placement, numStages, numMicroBatches }: CellSizes) {
    this.numMicroBatches = numMicroBatches;
    this.numCells = numStages * numMicroBatches;
    this.#rankOfCell = new Uint32Array(this.numCells);
    this.#valueOffset = new Int32Array(KIND_OF_OPCODE.length);
    this.#valueOffset[Opcode.SEND_F] = numMicroBatches;
    this.#valueOffset[Opcode.SEND_B] = -numMicroBatches;
    const { directionOfMicroBatch, rankOfStage } = placement;
    for (let stage = 0, cell = 0; stage < numStages; stage++) {
      const rankOfDirection = rankOfStage.map((ranks) => ranks[stage]!);
      for (let microBatch = 0; microBatch < numMicroBatches; microBatch++, cell++) {
        this.#rankOfCell[cell] = rankOfDirection[directionOfMicroBatch[microBatch]!]!;
      }
    }
  }

  cellOf(stage: number, microBatch: number): number {
    return stage * this.numMicroBatches + microBatch;
  }

  stageOf(cell: number): number {
    return Math.floor(cell / this.numMicroBatches);
  }

  microBatchOf(cell: number): number {
    return cell % this.numMicroBatches;
  }

  /** An action of the cell in the notation of `formatAction`, such as `2F7`. */
  nameOf(kind: string, cell: number): string {
    return `${this.stageOf(cell)}${kind}${this.microBatchOf(cell)}`;
  }

  rankOf(cell: number): number {
    return this.#rankOfCell[cell]!;
  }

  /** The cell that takes what this one makes; `NO_CELL` after the last stage, and for gradients before the first. */
  consumerOf(flow: Flow, cell: number): number {
    return flow === "F" ? this.atNextStage(cell) : this.atPreviousStage(cell);
  }

  /** The cell that makes what this one takes; `NO_CELL` where the model's input or its loss begins the flow. */
  producerOf(flow: Flow, cell: number): number {
    return flow === "F" ? this.atPreviousStage(cell) : this.atNextStage(cell);
  }

  /** The value that a SEND or RECV of this cell moves, by its consumer; the transfer must have a peer. */
  valueOf(transfer: number, cell: number): number {
    return cell + this.#valueOffset[transfer]!;
  }

  /** The cell at the other end of a SEND or RECV. */
  peerOf(transfer: number, cell: number): number {
    return transfer === Opcode.SEND_F || transfer === Opcode.RECV_B
      ? this.atNextStage(cell)
      : this.atPreviousStage(cell);
  }

  /** The same micro-batch one stage later: the consumer of the cell's activation, the producer of its gradient. */
  atNextStage(cell: number): number {
    const next = cell + this.numMicroBatches;
    return next < this.numCells ? next : NO_CELL;
  }

  /** The same micro-batch one stage earlier: the producer of the cell's activation, the consumer of its gradient. */
  atPreviousStage(cell: number): number {
    return cell < this.numMicroBatches ? NO_CELL : cell - this.numMicroBatches;
  }
}

type CellSizes = Pick<Program, "placement" | "numStages" | "numMicroBatches">;
