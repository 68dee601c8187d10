import type { ActionList, ActionListBuilder } from "../program/action-list.ts";
import { type Flow, NO_CELL } from "../program/cells.ts";
import { isTransfer, Opcode } from "../program/opcode.ts";
import { TimelineTrack } from "./timeline.ts";

/** One rank's progress through its program. */
export class RankClock {
  readonly actions: ActionList;
  index = 0;
  time = 0;
  /** Whether the transfers of the batch at `index` have been started. */
  isInBatch = false;
  /** The start of the pair whose backward waits; NaN outside of one. */
  pairStart = Number.NaN;
  /** The index after the current computation and those of its SENDs that have started. */
  nextIndex = 0;
  work = 0;
  /** Idle time before values were computed or asked for. */
  dataWait = 0;
  /** Idle time while values were under way. */
  linkWait = 0;
  /** The value that a rank that cannot go on waits for. */
  awaitedFlow: Flow = "F";
  awaitedValue = NO_CELL;
  readonly #computed: ActionListBuilder;
  readonly #starts: Float64Array;
  readonly #ends: Float64Array;
  #numComputed = 0;
  /** Whether the SEND after the one at `nextIndex` has started before it. */
  #isSecondSent = false;

  constructor(actions: ActionList, builder: ActionListBuilder) {
    this.actions = actions;
    this.#computed = builder;
    let count = 0;
    for (const opcode of actions.opcodes) if (!isTransfer(opcode)) count++;
    this.#starts = new Float64Array(count);
    this.#ends = new Float64Array(count);
  }

  /**
   * Takes the SEND of a value that exists now; false unless it directly follows the computation. A pair's activation
   * exists before its gradient, whichever of the two SENDs is written first.
   */
  takeSend(opcode: number, cell: number): boolean {
    const { opcodes, cells, backwardCells } = this.actions;
    const index = this.nextIndex;
    if (opcodes[index] === opcode && cells[index] === cell) {
      this.nextIndex += this.#isSecondSent ? 2 : 1;
      this.#isSecondSent = false;
      return true;
    }
    this.#isSecondSent =
      opcodes[this.index] === Opcode.OVERLAP_F_B &&
      opcodes[index] === Opcode.SEND_B &&
      cells[index] === backwardCells[this.index] &&
      opcodes[index + 1] === opcode &&
      cells[index + 1] === cell;
    return this.#isSecondSent;
  }

  /** Adds a computation to the timeline and moves the clock to its end. */
  record(start: number, end: number, work: number): void {
    const index = this.#numComputed++;
    this.#starts[index] = start;
    this.#ends[index] = end;
    this.time = end;
    this.work += work;
  }

  /** Waits until a later time; the last part of the wait, at most `linkTime`, counts as waiting for the link. */
  waitUntil(arrival: number, linkTime: number): void {
    const wait = arrival - this.time;
    const forLink = Math.min(wait, linkTime);
    this.linkWait += forLink;
    this.dataWait += wait - forLink;
    this.time = arrival;
  }

  /** What the rank computed and when. */
  track(): TimelineTrack {
    const { opcodes, cells, backwardCells, length } = this.actions;
    // A program without communication is its own timeline.
    if (this.#starts.length === length) return new TimelineTrack(this.actions, this.#starts, this.#ends);
    for (let index = 0; index < length; index++) {
      if (!isTransfer(opcodes[index]!)) {
        this.#computed.addCell(opcodes[index]!, cells[index]!, backwardCells[index]!);
      }
    }
    return new TimelineTrack(this.#computed.finish(), this.#starts, this.#ends);
  }
}
