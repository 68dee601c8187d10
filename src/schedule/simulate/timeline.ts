import type { Action } from "../program/action.ts";
import { type ActionList, ActionListBuilder } from "../program/action-list.ts";

export interface TimelineEvent {
  readonly action: Action;
  readonly startMs: number;
  readonly endMs: number;
  /** How long the rank waited for a value just before the start; only of measured computations. */
  readonly waitMs?: number | undefined;
}

/** The computations of one rank with their times, in order; in milliseconds, or in the unit of a cost model. */
export class TimelineTrack implements Iterable<TimelineEvent> {
  readonly actions: ActionList;
  readonly startsMs: Float64Array;
  readonly endsMs: Float64Array;
  /** The waits before the starts; undefined where they were not measured. */
  readonly waitsMs?: Float64Array;

  constructor(
    actions: ActionList,
    startsMs: Float64Array,
    endsMs: Float64Array,
    waitsMs?: Float64Array | undefined,
  ) {
    this.actions = actions;
    this.startsMs = startsMs;
    this.endsMs = endsMs;
    if (waitsMs !== undefined) this.waitsMs = waitsMs;
  }

  static from(events: readonly TimelineEvent[], numMicroBatches: number): TimelineTrack {
    const builder = new ActionListBuilder(numMicroBatches, events.length);
    for (const { action } of events) builder.push(action);
    return new TimelineTrack(
      builder.finish(),
      Float64Array.from(events, (event) => event.startMs),
      Float64Array.from(events, (event) => event.endMs),
      events.length > 0 && events.every(({ waitMs }) => waitMs !== undefined)
        ? Float64Array.from(events, ({ waitMs }) => waitMs!)
        : undefined,
    );
  }

  get length(): number {
    return this.actions.length;
  }

  /** @throws ScheduleError `INVALID_ACTION` when there is no event at this index. */
  at(index: number): TimelineEvent {
    const waitMs = this.waitsMs?.[index];
    return {
      ...{ action: this.actions.at(index), startMs: this.startsMs[index]!, endMs: this.endsMs[index]! },
      ...(waitMs === undefined ? {} : { waitMs }),
    };
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
