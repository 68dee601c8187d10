import { type Timeline, type TimelineEvent, TimelineTrack } from "../schedule/simulate/timeline.ts";
import { hostNowMs } from "../tensor/device.ts";
import type { PlannedComputation } from "./rank-plan.ts";
import type { StepObserver } from "./step-observer.ts";

/** One rank's computations of one step with their times, in ms of the clock that all threads of the process share. */
export interface RecordedTrack {
  readonly rank: number;
  readonly events: readonly TimelineEvent[];
}

/** Records what one rank computes and when. */
export class Recorder implements StepObserver {
  #events: TimelineEvent[] = [];
  #startMs = 0;
  readonly #nowMs: () => number;

  /** @param nowMs The clock of the device that computes: `() => runtime.device.nowMs()`. */
  constructor(nowMs: () => number = hostNowMs) {
    this.#nowMs = nowMs;
  }

  started(): void {
    this.#startMs = this.#nowMs();
  }

  ended({ action }: PlannedComputation): void {
    this.#events.push({ action, startMs: this.#startMs, endMs: this.#nowMs() });
  }

  /** The events since the last call. */
  take(rank: number): RecordedTrack {
    const events = this.#events;
    this.#events = [];
    return { rank, events };
  }
}

/** The tracks of all ranks of one step as a timeline that starts at zero. */
export function timelineOf(
  schedule: string,
  numMicroBatches: number,
  tracks: readonly RecordedTrack[],
): Timeline {
  const originMs = Math.min(...tracks.map(({ events }) => events[0]?.startMs ?? Number.POSITIVE_INFINITY));
  const ranks = [...tracks]
    .sort((a, b) => a.rank - b.rank)
    .map(({ events }) =>
      TimelineTrack.from(
        events.map(({ action, startMs, endMs }) => ({
          action,
          startMs: startMs - originMs,
          endMs: endMs - originMs,
        })),
        numMicroBatches,
      ),
    );
  return { schedule, ranks };
}
