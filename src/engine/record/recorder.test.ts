import { expect, it } from "vitest";
import type { PlannedComputation } from "../rank-plan.ts";
import { Recorder, timelineOf } from "./recorder.ts";

it("records when a rank began to wait, once for both waits of a pair, on the clock of the device", () => {
  let now = 0;
  // Like a card, whose marks are not times yet; each may be asked for once.
  const asked = new Set<number>();
  const clock = {
    mark: () => ++now,
    timesOf: (marks: readonly number[]) =>
      marks.map((mark) => {
        expect(asked.has(mark)).toBe(false);
        asked.add(mark);
        return 10 * mark;
      }),
  };
  const recorder = new Recorder(clock);
  const computation = (microBatch: number) =>
    ({ action: { kind: "F", stage: 0, microBatch } }) as unknown as PlannedComputation;
  recorder.started();
  recorder.ended(computation(0));
  recorder.waiting();
  recorder.waiting();
  recorder.started();
  recorder.ended(computation(1));
  const track = recorder.take(0);
  expect(track.events.map(({ startMs, endMs, waitMs }) => [startMs, endMs, waitMs])).toEqual([
    [10, 20, 0],
    [40, 50, 10],
  ]);
  expect(timelineOf("gpipe", 2, [track]).ranks[0]!.waitsMs).toEqual(Float64Array.of(0, 10));
  recorder.started();
  recorder.ended(computation(0));
  expect(recorder.take(0).events[0]!.waitMs).toBe(0);
});
