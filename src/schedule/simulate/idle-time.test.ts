import { expect, it } from "vitest";
import { lower } from "../lower/lower.ts";
import { buildProgram } from "../schedules/registry.ts";
import { bubbleCauses } from "./bubble-causes.ts";
import { UNIT_COST } from "./cost.ts";
import { idleTimeOf } from "./idle-time.ts";
import { simulate } from "./simulate.ts";
import { TimelineTrack } from "./timeline.ts";

it.each([0, 0.7])("finds in a timeline what the simulator counted, with a latency of %d", (latency) => {
  const program = lower(buildProgram("gpipe", { numRanks: 4, numMicroBatches: 6 }));
  // Whole computations: values leave when the timeline says that a computation ends.
  const simulation = simulate(program, { ...UNIT_COST, link: { latency } }, { wholeComputations: true });
  const { timeline, makespan, bubbleCauses } = simulation;
  for (const [rank, { work, dataWait, linkWait }] of idleTimeOf(timeline).entries()) {
    const { data, link, imbalance, tail } = bubbleCauses[rank]!;
    expect(work).toBeCloseTo(simulation.work[rank]!, 9);
    expect(linkWait).toBeCloseTo(link, 9);
    expect(makespan - work - linkWait - dataWait).toBeCloseTo(imbalance + tail + data - dataWait, 9);
    expect(dataWait).toBeGreaterThanOrEqual(data - 1e-9);
  }
});

it("tells the host from the link where it is known when a rank began to wait", () => {
  const forward = (microBatch: number, stage: number) => ({ kind: "F", stage, microBatch }) as const;
  // Rank 1 prepares something until 1.5, waits for the activation, which exists at 2, and has it at 2.25. It then
  // prepares the next forward until 5, whose activation has been there since 4.
  const ranks = [
    TimelineTrack.from(
      [
        { action: forward(0, 0), startMs: 0, endMs: 2, waitMs: 0 },
        { action: forward(1, 0), startMs: 2, endMs: 4, waitMs: 0 },
      ],
      2,
    ),
    TimelineTrack.from(
      [
        { action: forward(0, 1), startMs: 2.25, endMs: 4, waitMs: 0.75 },
        { action: forward(1, 1), startMs: 5, endMs: 6, waitMs: 0 },
      ],
      2,
    ),
  ];
  const idle = idleTimeOf({ schedule: "gpipe", ranks });
  expect(idle[1]).toEqual({ work: 2.75, dataWait: 0.5, linkWait: 0.25, hostWait: 2.5 });
  const [, causes] = bubbleCauses(idle, 6);
  expect(causes).toEqual({ data: 0, link: 0.25, host: 2.5, imbalance: 0.5, tail: 0 });
});
