import { type Action, formatAction } from "../program/action.ts";
import type { Timeline, TimelineEvent } from "../simulate/timeline.ts";

/** One event of the Trace Event Format; times are in microseconds. */
export interface TraceEvent {
  readonly name: string;
  readonly ph: "X" | "M" | "s" | "f";
  readonly pid: number;
  readonly tid: number;
  readonly ts?: number;
  readonly dur?: number;
  readonly cat?: string;
  readonly id?: number;
  readonly bp?: "e";
  readonly args?: Readonly<Record<string, string | number>>;
}

/** A trace for Perfetto and chrome://tracing. */
export interface ChromeTrace {
  readonly displayTimeUnit: "ms";
  readonly traceEvents: readonly TraceEvent[];
}

/** A value has the name of the stage that makes it. */
interface Values {
  readonly gives: readonly string[];
  readonly needs: readonly NeededValue[];
}

interface NeededValue {
  readonly value: string;
  /** Whether it may come after the start, as the gradient of a pair does, whose forward comes first. */
  readonly mayComeLater: boolean;
}

/** The values that an action gives and needs. */
function valuesOf(action: Action): Values {
  switch (action.kind) {
    case "F":
      return {
        gives: [`activation ${action.stage},${action.microBatch}`],
        needs: [{ value: `activation ${action.stage - 1},${action.microBatch}`, mayComeLater: false }],
      };
    case "I":
    case "B":
      return {
        gives: [`gradient ${action.stage},${action.microBatch}`],
        needs: [{ value: `gradient ${action.stage + 1},${action.microBatch}`, mayComeLater: false }],
      };
    case "OVERLAP_F_B": {
      const forward = valuesOf(action.forward);
      const backward = valuesOf(action.backward);
      return {
        gives: [...forward.gives, ...backward.gives],
        needs: [...forward.needs, ...backward.needs.map(({ value }) => ({ value, mayComeLater: true }))],
      };
    }
    case "W":
    case "SEND_F":
    case "RECV_F":
    case "SEND_B":
    case "RECV_B":
      return { gives: [], needs: [] };
    default:
      return action satisfies never;
  }
}

function argsOf(action: Action): Record<string, number> {
  if (action.kind !== "OVERLAP_F_B") return { stage: action.stage, microBatch: action.microBatch };
  const { forward, backward } = action;
  return {
    forwardStage: forward.stage,
    forwardMicroBatch: forward.microBatch,
    backwardStage: backward.stage,
    backwardMicroBatch: backward.microBatch,
  };
}

function sliceOf({ action, startMs, endMs, waitMs }: TimelineEvent, rank: number): TraceEvent {
  return {
    name: formatAction(action),
    cat: action.kind,
    ph: "X",
    pid: 0,
    tid: rank,
    ts: startMs * 1000,
    dur: (endMs - startMs) * 1000,
    args: { ...argsOf(action), ...(waitMs === undefined ? {} : { waitMs }) },
  };
}

/**
 * An arrow binds to the slice around its time, so it leaves just before the end of its producer and arrives at the
 * start of the computation that needs the value. A value that left in the middle of its producer may be needed before
 * that end, and a pair's gradient after the pair's start. No arrow arrives before it leaves.
 */
function timesOfArrow(producer: TimelineEvent, taker: TimelineEvent, mayComeLater: boolean) {
  const within = ({ startMs, endMs }: TimelineEvent) => startMs + 0.999 * (endMs - startMs);
  const lastMs = mayComeLater ? within(taker) : taker.startMs;
  const leaveMs = Math.max(producer.startMs, Math.min(within(producer), lastMs));
  return { leaveMs, arriveMs: Math.max(leaveMs, taker.startMs) };
}

/** The timeline as a Chrome trace: one track per rank, an arrow for every value that goes to another rank. */
export function chromeTrace(timeline: Timeline): ChromeTrace {
  const traceEvents: TraceEvent[] = [
    { name: "process_name", ph: "M", pid: 0, tid: 0, args: { name: timeline.schedule } },
  ];
  const producers = new Map<string, { rank: number; event: TimelineEvent }>();
  for (const [rank, track] of timeline.ranks.entries()) {
    traceEvents.push({ name: "thread_name", ph: "M", pid: 0, tid: rank, args: { name: `rank ${rank}` } });
    for (const event of track) {
      traceEvents.push(sliceOf(event, rank));
      for (const value of valuesOf(event.action).gives) producers.set(value, { rank, event });
    }
  }
  let id = 0;
  for (const [rank, track] of timeline.ranks.entries()) {
    for (const event of track) {
      for (const { value, mayComeLater } of valuesOf(event.action).needs) {
        const producer = producers.get(value);
        if (producer === undefined || producer.rank === rank) continue;
        const arrow = { name: value, cat: "value", id: id++, pid: 0 };
        const { leaveMs, arriveMs } = timesOfArrow(producer.event, event, mayComeLater);
        traceEvents.push({ ...arrow, ph: "s", tid: producer.rank, ts: leaveMs * 1000 });
        traceEvents.push({ ...arrow, ph: "f", bp: "e", tid: rank, ts: arriveMs * 1000 });
      }
    }
  }
  return { displayTimeUnit: "ms", traceEvents };
}
