import { expect, it } from "vitest";
import { lower } from "../lower/lower.ts";
import { buildProgram } from "../schedules/registry.ts";
import { UNIT_COST } from "../simulate/cost.ts";
import { simulate } from "../simulate/simulate.ts";
import { TimelineTrack } from "../simulate/timeline.ts";
import { chromeTrace } from "./chrome-trace.ts";
import { readChromeTrace } from "./read-chrome-trace.ts";

it.each(["dualpipe", "zbv", "1f1b"])("reads back the trace of %s", (name) => {
  const program = lower(buildProgram(name, { numRanks: 4, numMicroBatches: 10 }));
  const { timeline } = simulate(program, { ...UNIT_COST, link: { latency: 0.5 } });
  expect(readChromeTrace(JSON.parse(JSON.stringify(chromeTrace(timeline))))).toEqual(timeline);
});

it("reads back how long ranks waited", () => {
  const { timeline } = simulate(lower(buildProgram("gpipe", { numRanks: 2, numMicroBatches: 2 })), UNIT_COST);
  const ranks = timeline.ranks.map((track) =>
    TimelineTrack.from(
      [...track].map((event, i) => ({ ...event, waitMs: i / 4 })),
      2,
    ),
  );
  const measured = { ...timeline, ranks };
  expect(readChromeTrace(JSON.parse(JSON.stringify(chromeTrace(measured))))).toEqual(measured);
});

it.each([
  [null, /list of traceEvents/],
  [{ traceEvents: [] }, /computations of a step/],
  [{ traceEvents: [{ ph: "X", name: "aten::mm", tid: 1, ts: 0, dur: 1 }] }, /such as 2F7; got "aten::mm"/],
  [{ traceEvents: [{ ph: "X", name: "0SEND_F1", tid: 1, ts: 0, dur: 1 }] }, /such as 2F7/],
  [{ traceEvents: [{ ph: "X", name: "0F1", tid: 1e9, ts: 0, dur: 1 }] }, /tid that is a rank/],
  [{ traceEvents: [{ ph: "X", name: "0F1", tid: 1, ts: "0", dur: 1 }] }, /a ts and a dur/],
])("says what is wrong with %j", (trace, message) => {
  expect(() => readChromeTrace(trace)).toThrow(message);
});
