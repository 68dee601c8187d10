import { expect, test } from "vitest";
import type { Timeline } from "../../schedule/index.ts";
import { RecordedSteps } from "../rank/recorded-steps.ts";
import { LastResults } from "./last-results.ts";
import { NUM_LAST_TIMELINES } from "./listener.ts";

const timelineOf = (step: number): Timeline => ({ schedule: `step ${step}`, ranks: [] });

test.each([[[]], [[1]], [[7]], [[7, 10]]])(
  "with timelines every %j steps, those are reported at once, and the last steps are all there at the end",
  (intervals) => {
    const recorded = new RecordedSteps(intervals, NUM_LAST_TIMELINES);
    const last = new LastResults();
    const tell = (steps: readonly { step: number }[]) => {
      for (const { step } of steps) last.take({ kind: "timeline", step, timeline: timelineOf(step) });
      return steps.length;
    };
    for (let step = 1; step <= 50; step++) {
      const isDue = intervals.some((interval) => step % interval === 0);
      expect(tell(recorded.add(step, { rank: 0, events: [] }))).toBe(isDue ? 1 : 0);
    }
    tell(recorded.end());
    const expected = Array.from({ length: NUM_LAST_TIMELINES }, (_, i) => `step ${31 + i}`);
    expect(last.timelines.map(({ schedule }) => schedule)).toEqual(expected);
  },
);
