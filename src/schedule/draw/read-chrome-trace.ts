import { shown } from "../../errors/shown.ts";
import { isComputation, parseAction } from "../program/action.ts";
import { ScheduleError } from "../program/schedule-error.ts";
import { type Timeline, type TimelineEvent, TimelineTrack } from "../simulate/timeline.ts";

interface Slice {
  readonly rank: number;
  readonly event: TimelineEvent;
}

/**
 * Reads the timeline of a Chrome trace that `chromeTrace` made, such as the `trace.json` of a run.
 * @throws ScheduleError `INVALID_TRACE`
 */
export function readChromeTrace(trace: unknown): Timeline {
  const events = (trace as { traceEvents?: unknown } | null)?.traceEvents;
  if (!Array.isArray(events)) fail("it must have a list of traceEvents", trace);
  const slices: Slice[] = [];
  let schedule = "trace";
  for (const event of events as readonly Readonly<Record<string, unknown>>[]) {
    if (event?.ph === "X") slices.push(sliceOf(event));
    const name = (event?.args as { name?: unknown } | undefined)?.name;
    if (event?.name === "process_name" && typeof name === "string") schedule = name;
  }
  if (slices.length === 0)
    fail("it must have the computations of a step, which dualpipe train writes", "none");
  const numRanks = Math.max(...slices.map(({ rank }) => rank)) + 1;
  const numMicroBatches = Math.max(...slices.flatMap(({ event }) => microBatchesOf(event))) + 1;
  const byRank = Array.from({ length: numRanks }, (): TimelineEvent[] => []);
  for (const { rank, event } of slices) byRank[rank]!.push(event);
  const ranks = byRank.map((own) =>
    TimelineTrack.from(
      own.toSorted((a, b) => a.startMs - b.startMs),
      numMicroBatches,
    ),
  );
  return { schedule, ranks };
}

/** More than this is a trace of threads of another program. */
const MAX_RANKS = 2 ** 16;

function sliceOf({ name, tid, ts, dur, args }: Readonly<Record<string, unknown>>): Slice {
  const isTime = (value: unknown): value is number =>
    typeof value === "number" && value >= 0 && value < Infinity;
  if (
    typeof name !== "string" ||
    !isTime(ts) ||
    !isTime(dur) ||
    !isTime(tid) ||
    tid >= MAX_RANKS ||
    tid % 1 !== 0
  )
    fail("each slice must have a name, a tid that is a rank, a ts and a dur", { name, tid, ts, dur });
  let action: ReturnType<typeof parseAction>;
  try {
    action = parseAction(name);
  } catch {
    fail("its slices must be computations, such as 2F7", name);
  }
  if (!isComputation(action)) fail("its slices must be computations, such as 2F7", name);
  const waitMs = (args as { waitMs?: unknown } | null | undefined)?.waitMs;
  const waited = isTime(waitMs) ? { waitMs } : {};
  return { rank: tid, event: { action, startMs: ts / 1000, endMs: (ts + dur) / 1000, ...waited } };
}

function microBatchesOf({ action }: TimelineEvent): number[] {
  return action.kind === "OVERLAP_F_B"
    ? [action.forward.microBatch, action.backward.microBatch]
    : [action.microBatch];
}

function fail(rule: string, given: unknown): never {
  throw new ScheduleError(
    "INVALID_TRACE",
    `trace: ${rule}; got ${shown(given)}; use a trace of dualpipe train or dualpipe simulate --trace`,
  );
}
