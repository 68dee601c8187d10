import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ActionList,
  buildProgram,
  buildReferenceOrder,
  type CostModel,
  loopedPlacement,
  lower,
  memoryOverTime,
  nearestAllowed,
  type Program,
  parseAction,
  parseCost,
  parseMemoryModel,
  parseProgramCsv,
  schedules,
  simulate,
  UNIT_COST,
} from "../index.ts";

/** Two ranks with one stage each and forwards alone, so that every time can be told by hand. */
function twoForwards(): Program {
  return lower(buildProgram("gpipe", { numRanks: 2, numMicroBatches: 2, forwardOnly: true }));
}

function timesOf(program: Program, cost: CostModel): number[][] {
  return simulate(program, cost).timeline.ranks.map((track) => Array.from(track, ({ startMs }) => startMs));
}

describe("links", () => {
  it("delay values by their latency and their bytes over the bandwidth", () => {
    const cost: CostModel = { ...UNIT_COST, link: { latency: 0.5, bandwidth: 4 }, activationBytes: 10 };
    // The first value arrives at 1 + 2.5 + 0.5; the second leaves the channel 2.5 behind the first.
    expect(timesOf(twoForwards(), cost)).toEqual([
      [0, 1],
      [4, 6.5],
    ]);
  });

  it("may differ from edge to edge", () => {
    const cost: CostModel = { ...UNIT_COST, link: { latency: 100 }, edges: [{ from: 0, to: 1, latency: 2 }] };
    expect(timesOf(twoForwards(), cost)[1]).toEqual([3, 4]);
  });

  it.each([
    [{ from: 0, to: 6 }, "got one from 0 to 6; correct it"],
    [{ from: -1, to: 1 }, "got one from -1 to 1; correct it"],
    [{ from: 1, to: 1 }, "got one from 1 to 1; correct it"],
  ])("lead from one rank to another, which %j does not", (edge, message) => {
    const cost: CostModel = { ...UNIT_COST, edges: [{ ...edge, latency: 2 }] };
    expect(() => simulate(twoForwards(), cost)).toThrow(message);
  });

  it("take an activation before the gradient of its pair, whichever SEND is written first", () => {
    const rows = (first: string, second: string) => [
      "0F0,0SEND_F0,0F1,0SEND_F1,0RECV_B0,0B0,0RECV_B1,0B1",
      `1RECV_F0,1F0,1SEND_F0,1RECV_F1,1RECV_B0,(1F1;1B0)OVERLAP_F_B,${first},${second},1RECV_B1,1B1,1SEND_B1`,
      "2RECV_F0,2F0,2B0,2SEND_B0,2RECV_F1,2F1,2B1,2SEND_B1",
    ];
    const makespanOf = (lines: string[]) => simulate(parseProgramCsv(lines.join("\n")), UNIT_COST).makespan;
    expect(makespanOf(rows("1SEND_B0", "1SEND_F1"))).toBe(makespanOf(rows("1SEND_F1", "1SEND_B0")));
  });

  it("carry the bytes of the stage that the value comes out of, whichever way it goes", () => {
    const program = lower(buildProgram("gpipe", { numRanks: 2, numMicroBatches: 1 }));
    const cost: CostModel = { ...UNIT_COST, link: { latency: 0, bandwidth: 1 }, activationBytes: [3, 1000] };
    // F 1, transfer 3, F 1, I 1, transfer 3, then I and W.
    expect(simulate(program, cost).makespan).toBe(11);
  });

  it("start a transfer when the receive is posted", () => {
    const lowered = twoForwards();
    const late: Program = {
      ...lowered,
      ranks: ["0F0 0SEND_F0 0F1 0SEND_F1", "1RECV_F0 1F0 1RECV_F1 1F1"].map((line) =>
        ActionList.from(line.split(" ").map(parseAction), 2),
      ),
    };
    const cost: CostModel = { ...UNIT_COST, link: { latency: 5 } };
    expect(timesOf(lowered, cost)[1]).toEqual([6, 7]);
    expect(timesOf(late, cost)[1]).toEqual([6, 12]);
  });
});

describe("uneven stages", () => {
  it("cost what their numbers say, and a pair what its two stages do", () => {
    const program = lower(buildProgram("dualpipe", { numRanks: 2, numMicroBatches: 4 }));
    const cost: CostModel = { F: [1, 10], I: [2, 20], W: [3, 30], link: { latency: 0 } };
    const durations = Array.from(
      simulate(program, cost, { wholeComputations: true }).timeline.ranks[0]!,
      (event) => [event.action.kind, event.endMs - event.startMs],
    );
    expect(durations).toEqual([
      ["F", 1],
      ["F", 10],
      ["F", 1],
      ["B", 50],
      ["OVERLAP_F_B", 15],
      ["B", 50],
      ["I", 2],
      ["W", 3],
    ]);
  });

  it("take F longer for each backward with recomputation", () => {
    const program = lower(buildProgram("1f1b", { numRanks: 1, numMicroBatches: 3 }));
    expect(simulate(program, UNIT_COST).makespan).toBe(9);
    expect(simulate(program, { ...UNIT_COST, recompute: true }).makespan).toBe(12);
  });
});

describe("bubbles", () => {
  it("are the sum of their causes, on every rank of any schedule at any costs", () => {
    const cost = fc.integer({ min: 0, max: 4 });
    fc.assert(
      fc.property(
        fc.constantFrom(...schedules),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 12 }),
        fc.record({ F: cost, I: cost, W: cost, latency: cost }),
        fc.boolean(),
        (
          { name, constraints, generateReferenceOrder },
          wantedRanks,
          wanted,
          { F, I, W, latency },
          reference,
        ) => {
          const numRanks = nearestAllowed(constraints.ranks, wantedRanks, 1);
          const numMicroBatches = nearestAllowed(constraints.microBatches, wanted, numRanks);
          const sizes = { numRanks, numMicroBatches };
          const program =
            reference && generateReferenceOrder
              ? buildReferenceOrder(name, sizes)
              : lower(buildProgram(name, sizes));
          const { makespan, work, bubble, bubbleCauses } = simulate(program, { F, I, W, link: { latency } });
          for (const [rank, { data, link, imbalance, tail }] of bubbleCauses.entries()) {
            expect(data + link + imbalance + tail).toBeCloseTo(bubble[rank]!, 6);
            expect(work[rank]! + bubble[rank]!).toBeCloseTo(makespan, 6);
            expect(Math.min(data, link, imbalance, tail)).toBeGreaterThanOrEqual(0);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it("are put down to the link, to imbalance, and to the tail", () => {
    const slow = simulate(twoForwards(), { ...UNIT_COST, link: { latency: 3 } });
    expect(slow.bubbleCauses[1]).toEqual({ data: 1, link: 3, imbalance: 0, tail: 0 });
    expect(slow.bubbleCauses[0]).toEqual({ data: 0, link: 0, imbalance: 0, tail: 4 });
    const uneven = simulate(twoForwards(), { ...UNIT_COST, F: [1, 3] });
    expect(uneven.bubbleCauses[0]).toEqual({ data: 0, link: 0, imbalance: 4, tail: 1 });
  });

  it("are simulated only for programs with communication", () => {
    expect(() => simulate(buildProgram("gpipe", { numRanks: 2, numMicroBatches: 1 }), UNIT_COST)).toThrow(
      /only a lowered program/,
    );
  });
});

describe("memory over time", () => {
  it("holds weights throughout, and activations from F to W", () => {
    const program = lower(buildProgram("zb1p", { numRanks: 1, numMicroBatches: 2 }));
    const { timeline } = simulate(program, UNIT_COST);
    const model = parseMemoryModel("weights=10,activations=4,activationsForWeights=1");
    // F0 I0 W0 F1 I1 W1, a unit each.
    expect(memoryOverTime(timeline, program.placement, model)).toEqual([
      { times: [0, 2, 3, 5, 6], amounts: [14, 11, 14, 11, 10], peak: 14 },
    ]);
  });

  it("agrees with the count of activations", () => {
    for (const { name } of schedules) {
      const program = lower(buildProgram(name, { numRanks: 4, numMicroBatches: 8 }));
      const { timeline, peakActivations } = simulate(program, UNIT_COST, { wholeComputations: true });
      const tracks = memoryOverTime(timeline, program.placement, { weights: 0, activations: 1 });
      expect(tracks.map((track) => track.peak)).toEqual(peakActivations);
      for (const { amounts } of tracks) expect(amounts.at(-1)).toBe(0);
    }
  });
});

describe("costs in text", () => {
  it("are read with one number, or one per stage", () => {
    expect(parseCost("F=1/2, I=3,FB=3,link=0.3,bandwidth=1e9,bytes=20,recompute=1")).toEqual({
      F: [1, 2],
      I: 3,
      W: 1,
      FB: 3,
      recompute: true,
      link: { latency: 0.3, bandwidth: 1e9 },
      activationBytes: 20,
    });
  });

  it.each(["F", "F=", "F=x", "F=1=2", "G=1", "F=1,F=2", "link=1/2", "F=1//2"])("reject %j", (text) => {
    expect(() => parseCost(text)).toThrow(/^dualpipe: cost: must be a list .*; got .*; write for example/);
  });

  it("must suit the stages", () => {
    const program = lower({
      ...buildProgram("gpipe", { numRanks: 2, numMicroBatches: 1 }),
      placement: loopedPlacement(2, 1),
    });
    expect(() => simulate(program, parseCost("F=1/2/3"))).toThrow(/one for each of 2 stages; got \[1,2,3\]/);
    expect(() => simulate(program, { ...UNIT_COST, link: { latency: -1 } })).toThrow(
      /latency must be from 0 to/,
    );
  });
});

describe("costs", () => {
  it.each([
    [{ F: 1e308 }, "F must be a number from 0 to 1e+100, or one for each of 2 stages; got 1e+308"],
    [{ link: { latency: 1e308 } }, "a link's latency must be from 0 to 1e+100"],
  ])("whose sums are not finite, such as %j, are refused and are no deadlock", (part, message) => {
    expect(() => simulate(twoForwards(), { ...UNIT_COST, ...part })).toThrow(message);
  });
});
