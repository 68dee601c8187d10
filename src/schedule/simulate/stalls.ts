import { ScheduleError } from "../program/schedule-error.ts";

/** A while in which a rank starts no computation, or a link between two ranks no transfer. */
export interface Stall {
  readonly from: number;
  readonly duration: number;
  /** The rank that stalls, or the one that sends. */
  readonly rank: number;
  /** The rank that receives, where a link stalls. */
  readonly to?: number | undefined;
}

/** The times at which ranks and links may start, given when they would. */
export class Stalls {
  readonly #byRank = new Map<number, Stall[]>();
  readonly #byEdge = new Map<number, Stall[]>();
  readonly #numRanks: number;

  /** @throws ScheduleError `INVALID_COST` */
  constructor(stalls: readonly Stall[], numRanks: number) {
    this.#numRanks = numRanks;
    // In this order, the end of one stall may lie in the next.
    for (const stall of stalls.toSorted((a, b) => a.from - b.from)) {
      checkStall(stall, numRanks);
      const { rank, to } = stall;
      const [table, key] =
        to === undefined ? ([this.#byRank, rank] as const) : ([this.#byEdge, rank * numRanks + to] as const);
      table.set(key, [...(table.get(key) ?? []), stall]);
    }
  }

  /** When a computation of the rank starts that could at `time`. */
  startOnRank(rank: number, time: number): number {
    return afterStalls(this.#byRank.get(rank), time);
  }

  /** When a transfer starts that could at `time`. */
  startOnLink(rank: number, to: number, time: number): number {
    return afterStalls(this.#byEdge.get(rank * this.#numRanks + to), time);
  }

  get hasLinks(): boolean {
    return this.#byEdge.size > 0;
  }

  get hasRanks(): boolean {
    return this.#byRank.size > 0;
  }
}

function afterStalls(stalls: readonly Stall[] | undefined, time: number): number {
  for (const { from, duration } of stalls ?? []) {
    if (time < from) break;
    time = Math.max(time, from + duration);
  }
  return time;
}

function checkStall({ from, duration, rank, to }: Stall, numRanks: number): void {
  const isRank = (value: number) => Number.isSafeInteger(value) && value >= 0 && value < numRanks;
  const isTime = (value: number) => value >= 0 && value < Infinity;
  if (isRank(rank) && (to === undefined || isRank(to)) && isTime(from) && isTime(duration)) return;
  throw new ScheduleError(
    "INVALID_COST",
    `stall: its ranks must be whole numbers from 0 and under ${numRanks}, its times at least 0; got rank ${rank}` +
      `${to === undefined ? "" : ` to ${to}`} from ${from} for ${duration}; correct it`,
  );
}
