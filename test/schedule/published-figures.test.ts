import { describe, expect, it } from "vitest";
import {
  type Action,
  buildProgram,
  buildReferenceOrder,
  lower,
  simulate,
  type Timeline,
  TimelineTrack,
  timelineGrid,
} from "../../src/schedule/index.ts";
import { colours, FIGURE_HALF, FIGURE_ROWS } from "./figure-colours.ts";
import { figureLayout } from "./figure-layout.ts";

const FIGURE_COST = { F: 1, I: 1, W: 1, FB: 3, link: { latency: 0 } };

function figureTimeline(schedule: string, numRanks: number, numMicroBatches: number): Timeline {
  const program = lower(buildProgram(schedule, { numRanks, numMicroBatches }));
  const { timeline, makespan } = simulate(program, FIGURE_COST, { wholeComputations: true });
  expect(makespan).toBe(66);
  const tracks = figureLayout(timeline).map((events) => TimelineTrack.from(events, numMicroBatches));
  return { schedule, ranks: tracks };
}

function label(action: Action): string {
  return action.kind === "OVERLAP_F_B"
    ? `${action.forward.microBatch}&${action.backward.microBatch}`
    : `${action.kind}${action.microBatch}`;
}

/** Six characters per unit of time, so that the snapshot can be compared with the published figure. */
function picture(timeline: Timeline): string {
  return timelineGrid(timeline, { unit: 1 })
    .map((row) =>
      row
        .map((cell) => {
          if (cell === undefined) return "     .";
          return (cell.isStart ? label(cell.action) : "-").padStart(6);
        })
        .join(""),
    )
    .join("\n");
}

describe("published figures, F = I = W = 1 and F&B = 3", () => {
  it("draws 8 ranks and 20 micro-batches of DualPipe cell for cell", () => {
    const timeline = figureTimeline("dualpipe", 8, 20);
    expect(colours(timeline)).toEqual(FIGURE_ROWS);
    expect(picture(timeline)).toMatchSnapshot();
  });

  it("draws 4 ranks and 10 micro-batches of DualPipeV cell for cell", () => {
    const timeline = figureTimeline("dualpipev", 4, 10);
    expect(colours(timeline)).toEqual(FIGURE_HALF);
    expect(picture(timeline)).toMatchSnapshot();
  });

  it("needs 75.6 units with a link of 0.3 in the reference's order, and 66.6 with eager communication", () => {
    const sizes = { numRanks: 8, numMicroBatches: 20 };
    const cost = { ...FIGURE_COST, link: { latency: 0.3 } };
    const reference = simulate(buildReferenceOrder("dualpipe", sizes), cost);
    const eager = simulate(lower(buildProgram("dualpipe", sizes)), cost);
    expect(reference.makespan).toBeCloseTo(75.6, 9);
    expect(eager.makespan).toBeCloseTo(66.6, 9);
    expect(eager.work).toEqual(new Array(8).fill(60));
    expect(eager.peakActivations).toEqual(new Array(8).fill(9));
  });
});
