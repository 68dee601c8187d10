/*
 * The blocks that a chart draws, without a canvas: tests, tooltips, the table for screen readers and the painter all
 * read them from here, so what is tested is what is drawn. A step may have millions of blocks, so they stay in the
 * timeline's columns, and an object exists only for those that are asked for.
 */
import { type Bar, barsOf } from "../../schedule/draw/bars.ts";
import { type ChartDirection, ChartRows } from "../../schedule/draw/chart-rows.ts";
import { isComputation, makespanOf, Opcode, type Timeline } from "../../schedule/index.ts";

/** A block of a chart: a computation, or one of the two of a pair. */
export interface DrawnBlock extends Bar {
  readonly rank: number;
  /** The position of its event in the rank's track. */
  readonly index: number;
  readonly direction: ChartDirection;
  readonly isPaired: boolean;
  readonly label: string;
}

/** A simulated or measured step, ready to be drawn. */
export class DrawnStep {
  readonly timeline: Timeline;
  readonly rows: ChartRows;
  readonly makespan: number;
  readonly numMicroBatches: number;
  /** The time of the tightest block for each character of its label: numbers are drawn when that is wide enough. */
  readonly timePerCharacter: number;

  constructor(timeline: Timeline) {
    this.timeline = timeline;
    this.rows = new ChartRows(timeline);
    this.makespan = makespanOf(timeline);
    this.numMicroBatches = timeline.ranks[0]?.actions.numMicroBatches ?? 1;
    this.timePerCharacter = this.#tightest();
  }

  get numRanks(): number {
    return this.timeline.ranks.length;
  }

  labelOf(stage: number, microBatch: number): string {
    return this.rows.hasSeveralOfDirection ? `${stage}·${microBatch}` : `${microBatch}`;
  }

  /** The position of a stage among those that the rank holds in the direction. */
  variantOf(rank: number, stage: number, direction: ChartDirection): number {
    if (!this.rows.hasSeveralOfDirection) return 0;
    return Math.max(0, this.rows.stagesOf(rank, direction).indexOf(stage));
  }

  /** The blocks of one event: one, or the two of a pair. */
  blocksAt(rank: number, index: number): DrawnBlock[] {
    const { action, startMs, endMs } = this.timeline.ranks[rank]!.at(index);
    if (!isComputation(action)) return [];
    return barsOf(action, startMs, endMs).map((bar) => ({
      ...bar,
      rank,
      index,
      direction: this.rows.directionOf(bar.stage, bar.microBatch),
      isPaired: action.kind === "OVERLAP_F_B",
      label: this.labelOf(bar.stage, bar.microBatch),
    }));
  }

  /** All blocks of a rank in order. */
  *blocksOf(rank: number): Generator<DrawnBlock> {
    for (let index = 0; index < this.timeline.ranks[rank]!.length; index++) yield* this.blocksAt(rank, index);
  }

  /** The block of a rank that runs at a time. */
  blockAt(rank: number, time: number): DrawnBlock | undefined {
    const track = this.timeline.ranks[rank];
    if (track === undefined) return undefined;
    const index = firstEndingAfter(track.endsMs, time);
    if (index >= track.length || track.startsMs[index]! > time) return undefined;
    return this.blocksAt(rank, index).find(({ end }) => end > time);
  }

  #tightest(): number {
    let tightest = Infinity;
    for (const { actions, startsMs, endsMs } of this.timeline.ranks) {
      for (let index = 0; index < actions.length; index++) {
        const duration = endsMs[index]! - startsMs[index]!;
        if (duration <= 0) continue;
        const isPair = actions.opcodes[index] === Opcode.OVERLAP_F_B;
        const share = isPair ? duration / 3 : duration;
        tightest = Math.min(tightest, share / this.#labelLength(actions.cells[index]!));
        if (isPair) {
          const backward = actions.backwardCells[index]!;
          tightest = Math.min(tightest, (2 * share) / this.#labelLength(backward));
        }
      }
    }
    return tightest;
  }

  #labelLength(cell: number): number {
    const stage = Math.floor(cell / this.numMicroBatches);
    const length = numDigits(cell - stage * this.numMicroBatches);
    return this.rows.hasSeveralOfDirection ? length + 1 + numDigits(stage) : length;
  }
}

const numDigits = (value: number) =>
  value < 10 ? 1 : value < 100 ? 2 : value < 1000 ? 3 : String(value).length;

/** The first index from `from` on whose end is after the time; ends ascend. */
export function firstEndingAfter(ends: Float64Array, time: number, from = 0): number {
  let low = from;
  let high = ends.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ends[middle]! > time) high = middle;
    else low = middle + 1;
  }
  return low;
}
