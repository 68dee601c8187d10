import { describe, expect, it } from "vitest";
import {
  type Action,
  buildProgram,
  buildReferenceOrder,
  lower,
  simulate,
  timelineGrid,
} from "../../src/schedule/index.ts";

const FIGURE_COST = { F: 1, I: 1, W: 1, FB: 3, link: { latency: 0 } };

function label(action: Action): string {
  return action.kind === "OVERLAP_F_B"
    ? `${action.forward.microBatch}&${action.backward.microBatch}`
    : `${action.kind}${action.microBatch}`;
}

/** Six characters per unit of time, so that the snapshot can be laid beside the published picture. */
function picture(schedule: string, numRanks: number, numMicroBatches: number): string {
  const program = lower(buildProgram(schedule, { numRanks, numMicroBatches }));
  return timelineGrid(simulate(program, FIGURE_COST, { wholeComputations: true }).timeline, { unit: 1 })
    .map((row) =>
      row
        .map((cell) => {
          if (cell === undefined) return "     .";
          return cell.isStart ? label(cell.action).padStart(6) : "     -";
        })
        .join(""),
    )
    .map((line) => line.trimEnd())
    .join("\n");
}

describe("published figures, F = I = W = 1 and F&B = 3", () => {
  it("draws 8 ranks and 20 micro-batches of DualPipe", () => {
    expect(picture("dualpipe", 8, 20)).toMatchSnapshot();
  });

  it("draws 4 ranks and 10 micro-batches of DualPipeV", () => {
    expect(picture("dualpipev", 4, 10)).toMatchSnapshot();
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
