import type { Action } from "../../schedule/program/action.ts";
import { type Timeline, type TimelineEvent, TimelineTrack } from "../../schedule/simulate/timeline.ts";
import { type Device, hostNowMs, type TimedTransfer } from "../../tensor/device.ts";
import type { PlannedComputation } from "../rank-plan.ts";
import type { StepObserver } from "../step-observer.ts";

/** One rank's computations of one step with their times, in ms of the clock that all threads of the process share. */
export interface RecordedTrack {
  readonly rank: number;
  readonly events: readonly TimelineEvent[];
  /** Messages that were copied here from other cards, in the order in which they were read; undefined on the CPU. */
  readonly transfers?: readonly TimedTransfer[] | undefined;
}

/** Notes moments, and says later when they were. */
type StepClock = Pick<Device, "mark" | "timesOf" | "recordTransfers" | "takeTransfers">;

const HOST_CLOCK: StepClock = { mark: hostNowMs, timesOf: (marks) => [...marks] };

/** Records what one rank computes and when. */
export class Recorder implements StepObserver {
  readonly #clock: StepClock;
  readonly #actions: Action[] = [];
  /** The start and the end of each action. */
  readonly #marks: number[] = [];
  /** When the rank began to wait, of the actions before which it did. */
  readonly #waits: { readonly index: number; readonly mark: number }[] = [];
  #start = 0;

  /** @param clock The device that computes, `runtime.device`; a card runs kernels long after they were launched. */
  constructor(clock: StepClock = HOST_CLOCK) {
    this.#clock = clock;
    clock.recordTransfers?.();
  }

  waiting(): void {
    // A pair may wait twice, with nothing in between.
    if (this.#waits.at(-1)?.index !== this.#actions.length)
      this.#waits.push({ index: this.#actions.length, mark: this.#clock.mark() });
  }

  started(): void {
    this.#start = this.#clock.mark();
  }

  ended({ action }: PlannedComputation): void {
    this.#marks.push(this.#start, this.#clock.mark());
    this.#actions.push(action);
  }

  /** What was recorded since the last call; waits until it is over. */
  take(rank: number): RecordedTrack {
    const actions = this.#actions.splice(0);
    const waits = this.#waits.splice(0);
    const times = this.#clock.timesOf([...this.#marks.splice(0), ...waits.map(({ mark }) => mark)]);
    const waitStarts = new Map(waits.map(({ index }, i) => [index, times[2 * actions.length + i]!]));
    const events = actions.map((action, i) => {
      const startMs = times[2 * i]!;
      const waitMs = startMs - (waitStarts.get(i) ?? startMs);
      return { action, startMs, endMs: times[2 * i + 1]!, waitMs };
    });
    return { rank, events, transfers: this.#clock.takeTransfers?.() };
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
        events.map((event) => ({
          ...event,
          startMs: event.startMs - originMs,
          endMs: event.endMs - originMs,
        })),
        numMicroBatches,
      ),
    );
  return { schedule, ranks };
}
