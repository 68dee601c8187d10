import type { StepCounts } from "./workload.ts";

/** When a step began and ended on one rank, in ms of a clock that all threads and processes of the machine share. */
export interface Span {
  readonly startMs: number;
  readonly endMs: number;
}

/** What a rank's program returns. */
export interface RankMeasurement {
  readonly spans: readonly Span[];
  /** Losses of the last step's micro-batches that left here. */
  readonly losses: readonly number[];
}

/** Runs and measures the steps; `prepare` runs before each and is not measured. */
export function measureSteps(
  { numWarmUpSteps, numSteps }: StepCounts,
  prepare: () => void,
  step: () => void,
): Span[] {
  const spans: Span[] = [];
  for (let i = 0; i < numWarmUpSteps + numSteps; i++) {
    prepare();
    const startMs = nowMs();
    step();
    if (i >= numWarmUpSteps) spans.push({ startMs, endMs: nowMs() });
  }
  return spans;
}

function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** The time of each step: from the first rank's start to the last rank's end. */
export function stepTimesMs(ranks: readonly (readonly Span[])[]): number[] {
  return ranks[0]!.map((_, i) => {
    const spans = ranks.map((rank) => rank[i]!);
    return Math.max(...spans.map(({ endMs }) => endMs)) - Math.min(...spans.map(({ startMs }) => startMs));
  });
}
