/*
 * Where the candidates of a plan stand in a plot of memory and time, without a screen: what is tested is what is drawn.
 *
 * The best runs differ by a percent and the worst takes ten times as long, so the axis of time ends at some percent
 * over the fastest run that fits, and says how many are beyond. Memory spans powers of ten and has a logarithmic axis.
 * The front joins the runs that fit and are beaten by none in both: what less time costs in memory can be read off it.
 */
import { type Tick, ticksBetween } from "../../schedule/draw/ticks.ts";
import type { PlannedRun } from "../../schedule/index.ts";

export interface ScatterPoint {
  readonly run: PlannedRun;
  /** In pixels. */
  readonly x: number;
  readonly y: number;
  readonly fits: boolean;
  /** Whether no run that fits needs less of both memory and time. */
  readonly isOnFront: boolean;
}

/** A tick of an axis, in pixels. */
export interface AxisTick {
  readonly at: number;
  readonly label: string;
}

export const MARGIN = { left: 64, right: 14, top: 24, bottom: 44 } as const;
const NEAR_PIXELS = 24;

/** Runs by time, and by memory where they take equally long. */
export const byTime = (a: PlannedRun, b: PlannedRun) =>
  a.stepSeconds - b.stepSeconds || a.peakBytes - b.peakBytes;

/** The fastest run that fits; the fastest of all where none fits. */
export function fastestRun(candidates: readonly PlannedRun[], memoryBytes: number): PlannedRun | undefined {
  const sorted = candidates.toSorted(byTime);
  return sorted.find(({ peakBytes }) => peakBytes <= memoryBytes) ?? sorted[0];
}

/** The time of the slowest run that is drawn. @param within Percent over the fastest run. */
export function timeLimit(candidates: readonly PlannedRun[], memoryBytes: number, within: number): number {
  return (fastestRun(candidates, memoryBytes)?.stepSeconds ?? 0) * (1 + within / 100);
}

export class Scatter {
  /** The runs that are drawn, by time. */
  readonly points: readonly ScatterPoint[];
  readonly xTicks: readonly AxisTick[];
  readonly yTicks: readonly AxisTick[];
  /** Where the memory of a device ends; at an edge of the plot where it is beyond. */
  readonly memoryX: number;

  /** @param within Percent over the fastest run, up to which runs are drawn. */
  constructor(
    candidates: readonly PlannedRun[],
    memoryBytes: number,
    within: number,
    width: number,
    height: number,
  ) {
    const fits = (run: PlannedRun) => run.peakBytes <= memoryBytes;
    const limit = timeLimit(candidates, memoryBytes, within);
    const shown = candidates.filter((run) => run.stepSeconds <= limit).toSorted(byTime);
    const gigabytes = shown.map(({ peakBytes }) => peakBytes / 1e9);
    const [least, most] = [
      Math.min(...gigabytes, memoryBytes / 1e9) / 1.1,
      Math.max(...gigabytes, 1e-9) * 1.1,
    ];
    const fastest = shown[0]?.stepSeconds ?? 0;
    const first = fastest - 0.06 * (limit - fastest);
    const right = width - MARGIN.right;
    const bottom = height - MARGIN.bottom;
    const xOf = (value: number) =>
      MARGIN.left + ((right - MARGIN.left) * Math.log(value / least)) / Math.log(most / least);
    const yOf = (seconds: number) => bottom - ((bottom - MARGIN.top) * (seconds - first)) / (limit - first);
    let leanest = Infinity;
    this.points = shown.map((run) => {
      const isOnFront = fits(run) && run.peakBytes < leanest;
      if (isOnFront) leanest = run.peakBytes;
      return { run, x: xOf(run.peakBytes / 1e9), y: yOf(run.stepSeconds), fits: fits(run), isOnFront };
    });
    this.memoryX = Math.max(MARGIN.left, Math.min(right, xOf(memoryBytes / 1e9)));
    const toTick =
      (scale: (value: number) => number) =>
      ({ time, label }: Tick) => ({ at: scale(time), label });
    this.xTicks = shown.length === 0 ? [] : memoryTicks(least, most).map(toTick(xOf));
    this.yTicks =
      shown.length === 0 ? [] : ticksBetween(first, limit, (bottom - MARGIN.top) / 48).map(toTick(yOf));
  }

  /** The point nearest to a place, if there is one near. */
  nearest(x: number, y: number): ScatterPoint | undefined {
    const distance = (point: ScatterPoint) => Math.hypot(point.x - x, point.y - y);
    const [nearest] = this.points.toSorted((a, b) => distance(a) - distance(b));
    return nearest && distance(nearest) <= NEAR_PIXELS ? nearest : undefined;
  }

  /** The next point by memory or by time; the first one, the fastest, after none. */
  next(from: ScatterPoint | undefined, axis: "x" | "y", offset: 1 | -1): ScatterPoint | undefined {
    // Time grows upwards, against the pixels.
    const position = (point: ScatterPoint) => (axis === "x" ? point.x : -point.y);
    const order = this.points.toSorted((a, b) => position(a) - position(b));
    const at = from === undefined ? -1 : order.findIndex(({ run }) => run === from.run);
    if (at < 0) return this.points[0];
    return order[Math.max(0, Math.min(order.length - 1, at + offset))];
  }

  /** The line through the front, as the `d` of a path: from run to run along the axes. */
  frontPath(): string {
    const front = this.points.filter(({ isOnFront }) => isOnFront);
    return front.map(({ x, y }, i) => (i === 0 ? `M${x} ${y}` : `V${y}H${x}`)).join("");
  }
}

/** Ticks at 1, 2 and 5 times powers of ten; closer ones where that are few. */
function memoryTicks(least: number, most: number): Tick[] {
  const ticks: Tick[] = [];
  for (let power = 10 ** Math.floor(Math.log10(least)); power <= most; power *= 10)
    for (const factor of [1, 2, 5]) {
      const value = factor * power;
      if (value >= least && value <= most)
        ticks.push({ time: value, label: String(Number(value.toPrecision(3))) });
    }
  return ticks.length >= 3 ? ticks : ticksBetween(least, most, 6);
}
