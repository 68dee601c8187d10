import { expect, it } from "vitest";
import { buildProgram, chromeTrace, lower, simulate, UNIT_COST } from "../index.ts";

const program = buildProgram("dualpipe", { numRanks: 4, numMicroBatches: 8 });
const { timeline } = simulate(lower(program), UNIT_COST);
const { traceEvents } = chromeTrace(timeline);

it("has a slice for every computation, in microseconds", () => {
  const slices = traceEvents.filter((event) => event.ph === "X");
  expect(slices.length).toBe(timeline.ranks.reduce((count, track) => count + track.length, 0));
  expect(slices[0]).toEqual({
    name: "0F0",
    cat: "F",
    ph: "X",
    pid: 0,
    tid: 0,
    ts: 0,
    dur: 1000,
    args: { stage: 0, microBatch: 0 },
  });
});

it("has an arrow for every value that goes to another rank", () => {
  const starts = traceEvents.filter((event) => event.ph === "s");
  const ends = traceEvents.filter((event) => event.ph === "f");
  // Eight activations and eight gradients over each of three boundaries between the four stages.
  expect(starts.length).toBe(2 * 8 * 3);
  expect(ends.map((event) => event.id)).toEqual(starts.map((event) => event.id));
  for (const [index, start] of starts.entries()) expect(ends[index]!.tid).not.toBe(start.tid);
});

it("has no arrow that arrives before it leaves", () => {
  const cost = { F: 1.1, I: 1.3, W: 0.7, link: { latency: 0.05 } };
  const large = buildProgram("dualpipe", { numRanks: 8, numMicroBatches: 20 });
  const { traceEvents } = chromeTrace(simulate(lower(large), cost).timeline);
  const timesOf = (kind: string) => traceEvents.filter(({ ph }) => ph === kind).map(({ ts }) => ts!);
  const [leave, arrive] = [timesOf("s"), timesOf("f")];
  expect(leave).toHaveLength(280);
  expect(arrive.filter((time, i) => time < leave[i]!)).toEqual([]);
});

it("binds every arrow to a slice of its rank", () => {
  const slices = traceEvents.filter((event) => event.ph === "X");
  for (const arrow of traceEvents.filter((event) => event.ph === "s" || event.ph === "f")) {
    const around = slices.filter(
      (slice) =>
        slice.tid === arrow.tid && slice.ts! <= arrow.ts! && arrow.ts! < slice.ts! + slice.dur! - 1e-6,
    );
    expect(around.length).toBe(1);
  }
});
