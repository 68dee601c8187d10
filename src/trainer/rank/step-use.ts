import type { RecordedTrack } from "../../engine/record/recorder.ts";

/** What a step took of one rank. */
export interface StepUse {
  /** Time in computations, ms. */
  readonly workMs: number;
  /** From the start of the step to the end of the last computation, ms. */
  readonly spanMs: number;
}

/** @param startMs When the step began, on the recorder's clock. */
export function stepUseOf({ events }: RecordedTrack, startMs: number): StepUse {
  let workMs = 0;
  for (const event of events) workMs += event.endMs - event.startMs;
  return { workMs, spanMs: Math.max(0, (events.at(-1)?.endMs ?? startMs) - startMs) };
}

/**
 * The share of all ranks' time in which they computed nothing: waiting for values and for other ranks. Ranks begin a
 * step at the same time, because they leave the one before together; so no clock is compared with another host's.
 */
export function bubbleOf(uses: readonly StepUse[]): number {
  const spanMs = Math.max(...uses.map((use) => use.spanMs));
  if (spanMs === 0) return 0;
  return Math.max(0, 1 - uses.reduce((sum, { workMs }) => sum + workMs, 0) / (spanMs * uses.length));
}
