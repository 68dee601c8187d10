import type { Action } from "../program/action.ts";
import { type ActionList, ActionListBuilder } from "../program/action-list.ts";

export interface TimelineEvent {
  readonly action: Action;
  readonly startMs: number;
  readonly endMs: number;
}

/** The computations of one rank with their times, in order; in milliseconds, or in the unit of a cost model. */
export class TimelineTrack implements Iterable<TimelineEvent> {
  readonly actions: ActionList;
  readonly startsMs: Float64Array;
  readonly endsMs: Float64Array;

  constructor(actions: ActionList, startsMs: Float64Array, endsMs: Float64Array) {
    this.actions = actions;
    this.startsMs = startsMs;
    this.endsMs = endsMs;
  }

  static from(events: readonly TimelineEvent[], numMicroBatches: number): TimelineTrack {
    const builder = new ActionListBuilder(numMicroBatches, events.length);
    for (const { action } of events) builder.push(action);
    return new TimelineTrack(
      builder.finish(),
      Float64Array.from(events, (event) => event.startMs),
      Float64Array.from(events, (event) => event.endMs),
    );
  }

  get length(): number {
    return this.actions.length;
  }

  /** @throws ScheduleError `INVALID_ACTION` when there is no event at this index. */
  at(index: number): TimelineEvent {
    return { action: this.actions.at(index), startMs: this.startsMs[index]!, endMs: this.endsMs[index]! };
  }

  *[Symbol.iterator](): IterableIterator<TimelineEvent> {
    for (let index = 0; index < this.length; index++) yield this.at(index);
  }
}

/** A simulated or measured step; the same code draws, compares and exports both. */
export interface Timeline {
  readonly schedule: string;
  readonly ranks: readonly TimelineTrack[];
}

/** The time from the start of the step to the end of the last computation. */
export function makespanOf(timeline: Timeline): number {
  return timeline.ranks.reduce((latest, track) => Math.max(latest, track.endsMs[track.length - 1] ?? 0), 0);
}
