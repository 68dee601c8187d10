import type { RecordedTrack } from "./recorder.ts";

/** How long messages from other cards were copied to a rank in one step, in ms. */
export interface Communication {
  /** Copies that run at the same time count once. */
  readonly communicationMs: number;
  /** The part in which the rank computed nothing. */
  readonly exposedMs: number;
  /** What of that was before the rank's first computation, where there is nothing to hide it under. */
  readonly beforeFirstMs: number;
  /** What was after its last one, such as the sums of gradients that several ranks have. */
  readonly afterLastMs: number;
}

/** What a recorded step says about the copies between cards: all zero on the CPU, where there are none. */
export function communicationOf({ events, transfers = [] }: RecordedTrack): Communication {
  const firstMs = events[0]?.startMs ?? Number.POSITIVE_INFINITY;
  const lastMs = events.at(-1)?.endMs ?? Number.POSITIVE_INFINITY;
  let [communicationMs, exposedMs, beforeFirstMs, afterLastMs] = [0, 0, 0, 0];
  let [untilMs, next] = [Number.NEGATIVE_INFINITY, 0];
  for (const transfer of transfers.toSorted((a, b) => a.startMs - b.startMs)) {
    const [startMs, endMs] = [Math.max(transfer.startMs, untilMs), transfer.endMs];
    if (endMs <= startMs) continue;
    untilMs = endMs;
    while (next < events.length && events[next]!.endMs <= startMs) next++;
    let workMs = 0;
    for (let i = next; i < events.length && events[i]!.startMs < endMs; i++)
      workMs += Math.min(endMs, events[i]!.endMs) - Math.max(startMs, events[i]!.startMs);
    communicationMs += endMs - startMs;
    exposedMs += endMs - startMs - workMs;
    beforeFirstMs += Math.max(0, Math.min(endMs, firstMs) - startMs);
    afterLastMs += Math.max(0, endMs - Math.max(startMs, lastMs));
  }
  return { communicationMs, exposedMs, beforeFirstMs, afterLastMs };
}
