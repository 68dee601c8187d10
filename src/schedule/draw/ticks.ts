/** A mark on the axis of time. */
export interface Tick {
  readonly time: number;
  readonly label: string;
}

/** The ticks of an axis from 0 to `end`, at 1, 2 or 5 times a power of ten, and at most `maxTicks` after the first. */
export function ticksOf(end: number, maxTicks: number): Tick[] {
  if (!(end > 0)) return [{ time: 0, label: "0" }];
  const step = niceStep(end / Math.max(1, maxTicks));
  const numTicks = Math.floor(end / step + 1e-9) + 1;
  return Array.from({ length: numTicks }, (_, index) => {
    const time = index * step;
    return { time, label: String(Number(time.toPrecision(10))) };
  });
}

/** The same ticks for a part of an axis, from `start` to `end`. */
export function ticksBetween(start: number, end: number, maxTicks: number): Tick[] {
  const step = niceStep((end - start) / Math.max(1, maxTicks));
  if (!(step > 0 && step < Infinity)) return [];
  const first = Math.ceil(start / step - 1e-9);
  const count = Math.floor(end / step + 1e-9) - first + 1;
  return Array.from({ length: Math.max(0, count) }, (_, index) => {
    const time = (first + index) * step;
    return { time, label: String(Number(time.toPrecision(10))) };
  });
}

/** The smallest 1, 2 or 5 times a power of ten that is not below `least`. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * ([1, 2, 5].find((factor) => factor * power >= least * (1 - 1e-9)) ?? 10);
}
