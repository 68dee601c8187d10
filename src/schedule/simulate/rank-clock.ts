import { type ActionList, type ActionListBuilder, Opcode } from "../program/action-list.ts";
import { TimelineTrack } from "./timeline.ts";
import type { Flow } from "./transfers.ts";

export const NO_CELL = -1;

/** One rank's progress through its program. */
export class RankClock {
  readonly actions: ActionList;
  index = 0;
  time = 0;
  /** Whether the transfers of the batch at `index` have been started. */
  isInBatch = false;
  /** When the pair began whose backward waits; NaN outside of one. */
  pairStart = Number.NaN;
  /** Behind the current computation and those of its SENDs that have started. */
  nextIndex = 0;
  work = 0;
  /** Idle time before values were computed or asked for. */
  dataWait = 0;
  /** Idle time while values were under way. */
  linkWait = 0;
  /** What a rank that cannot go on waits for. */
  waitFlow: Flow = "F";
  waitCell = NO_CELL;
  readonly #computed: ActionListBuilder;
  readonly #starts: Float64Array;
  readonly #ends: Float64Array;
  #numComputed = 0;

  constructor(actions: ActionList, builder: ActionListBuilder) {
    this.actions = actions;
    this.#computed = builder;
    let count = 0;
    for (const opcode of actions.opcodes) if (opcode <= Opcode.OVERLAP_F_B) count++;
    this.#starts = new Float64Array(count);
    this.#ends = new Float64Array(count);
  }

  record(start: number, end: number, work: number): void {
    const index = this.#numComputed++;
    this.#starts[index] = start;
    this.#ends[index] = end;
    this.time = end;
    this.work += work;
  }

  /** Stands still until a later time; the last part of that, at most `linkTime`, is for the link. */
  waitUntil(arrival: number, linkTime: number): void {
    const wait = arrival - this.time;
    const forLink = Math.min(wait, linkTime);
    this.linkWait += forLink;
    this.dataWait += wait - forLink;
    this.time = arrival;
  }

  track(): TimelineTrack {
    const { opcodes, cells, backwardCells, length } = this.actions;
    for (let index = 0; index < length; index++) {
      if (opcodes[index]! <= Opcode.OVERLAP_F_B) {
        this.#computed.addCell(opcodes[index]!, cells[index]!, backwardCells[index]!);
      }
    }
    return new TimelineTrack(this.#computed.finish(), this.#starts, this.#ends);
  }
}
