import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  buildProgram,
  type CostModel,
  lower,
  type ProgramSizes,
  peakActivations,
  type Simulation,
  simulate,
} from "../../src/schedule/index.ts";

interface Costs {
  readonly F: number;
  readonly I: number;
  readonly W: number;
}

function run(name: string, sizes: ProgramSizes, costs: Costs, wholeComputations: boolean): Simulation {
  const cost: CostModel = { ...costs, link: { latency: 0 } };
  return simulate(lower(buildProgram(name, sizes)), cost, { wholeComputations });
}

/** The time that the step takes longer than a rank's work, which is the same on every rank here. */
function bubbleOf({ makespan, work }: Simulation): number {
  expect(new Set(work).size).toBe(1);
  return makespan - work[0]!;
}

/** Idle time between each rank's first and last computation. */
function innerBubbles({ timeline, work }: Simulation): number[] {
  return timeline.ranks.map(
    (track, rank) => track.endsMs[track.length - 1]! - track.startsMs[0]! - work[rank]!,
  );
}

// With the least micro-batches of the V schedules, and for smaller pipelines with two more counts.
const sizes: ProgramSizes[] = Array.from({ length: 63 }, (_, index) => index + 2).flatMap((numRanks) =>
  [2 * numRanks, 3 * numRanks, 4 * numRanks]
    .filter((numMicroBatches) => numRanks <= 16 || numMicroBatches === 2 * numRanks)
    .map((numMicroBatches) => ({ numRanks, numMicroBatches })),
);
const evenSizes = sizes.filter(
  ({ numRanks, numMicroBatches }) => numRanks % 2 === 0 && numMicroBatches % 2 === 0,
);

const UNIT: Costs = { F: 1, I: 1, W: 1 };

/** PP is the number of ranks, but of stages for the V schedules, whose F, B and W are of half a rank's model. */
const rows = [
  { name: "gpipe", of: "(PP-1)(F+B)", published: 3, eager: 2, peak: "M" },
  { name: "1f1b", of: "(PP-1)(F+B)", published: 3, eager: 2, peak: "PP" },
  { name: "interleaved", of: "(PP-1)(F+B)/v", published: 3, eager: 2, peak: "3PP-1" },
  { name: "zb1p", of: "(PP-1)(F+B-2W)", published: 1, eager: 1, peak: "PP" },
  { name: "zb2p", of: "(PP-1)(F+B-3W), ramps aside", published: 1, eager: 1, peak: "2PP-1" },
  { name: "zbv", of: "0, ramps aside", published: 1, eager: 1, peak: "2PP" },
  { name: "dualpipe", of: "(PP/2-1)(F&B+B-3W)", published: 2, eager: 1, peak: "PP+1" },
  { name: "dualpipev", of: "(PP/2-1)(F&B+B-3W)", published: 2, eager: 1, peak: "2PP+1" },
] as const;

describe.each(rows)("$name at F = I = W: bubble $of", ({ name, published, eager, peak }) => {
  const ofName = name === "dualpipe" ? evenSizes : sizes;

  it("is exact for 2 to 64 ranks with whole computations, and smaller where values move inside of them", () => {
    for (const size of ofName) {
      const numSteps = name === "dualpipe" ? size.numRanks / 2 - 1 : size.numRanks - 1;
      expect(bubbleOf(run(name, size, UNIT, true))).toBe(published * numSteps);
      expect(bubbleOf(run(name, size, UNIT, false))).toBe(eager * numSteps);
    }
  });

  it(`holds at most ${peak} micro-batches`, () => {
    for (const size of ofName) {
      const { numRanks, numMicroBatches } = size;
      const bounds = {
        M: numMicroBatches,
        PP: numRanks,
        "2PP-1": Math.min(2 * numRanks - 1, numMicroBatches),
        "3PP-1": 3 * numRanks - 1,
        "2PP": 2 * numRanks,
        "PP+1": numRanks + 1,
        "2PP+1": 2 * numRanks + 1,
      };
      expect(Math.max(...peakActivations(buildProgram(name, size)))).toBe(bounds[peak]);
    }
  });
});

describe("zero bubble at F = I = W", () => {
  it.each(["zb2p", "zbv"])("no rank of %s stops between its first and its last computation", (name) => {
    for (const size of sizes) {
      expect(innerBubbles(run(name, size, UNIT, false)).every((bubble) => bubble === 0)).toBe(true);
    }
  });
});

describe("at any costs", () => {
  const cost = fc.integer({ min: 1, max: 9 });
  const costs = fc.record({ F: cost, I: cost, W: cost });
  const someSizes = fc.record({
    numRanks: fc.integer({ min: 2, max: 12 }),
    rounds: fc.integer({ min: 2, max: 4 }),
  });
  const check = (property: (size: ProgramSizes, costs: Costs) => void) =>
    fc.assert(
      fc.property(someSizes, costs, ({ numRanks, rounds }, some) =>
        property({ numRanks, numMicroBatches: numRanks * rounds }, some),
      ),
      { numRuns: 100 },
    );

  it.each(["gpipe", "1f1b", "interleaved"])("%s: (PP-1)(F+B) with whole computations", (name) => {
    check((size, some) => {
      const published = (size.numRanks - 1) * (some.F + some.I + some.W);
      expect(bubbleOf(run(name, size, some, true))).toBe(published);
    });
  });

  it.each(["gpipe", "1f1b"])("%s: (PP-1)(F+I) where gradients leave B before its end", (name) => {
    check((size, some) => {
      expect(bubbleOf(run(name, size, some, false))).toBe((size.numRanks - 1) * (some.F + some.I));
    });
  });

  it("zb1p: (PP-1)(F+B-2W) is a bound from below, and (PP-1)F is another", () => {
    check((size, { F, I, W }) => {
      const bubble = bubbleOf(run("zb1p", size, { F, I, W }, true));
      expect(bubble).toBeGreaterThanOrEqual((size.numRanks - 1) * Math.max(F, F + I - W));
    });
  });

  it("eager communication is never slower than whole computations", () => {
    for (const name of ["gpipe", "1f1b", "interleaved", "zb1p", "zb2p", "zbv", "dualpipev"]) {
      check((size, some) => {
        expect(run(name, size, some, false).makespan).toBeLessThanOrEqual(
          run(name, size, some, true).makespan + 1e-9,
        );
      });
    }
  });

  it("no schedule beats its slowest rank's work", () => {
    check((size, some) => {
      for (const name of ["1f1b", "zbv", "dualpipev"]) {
        const { makespan, work } = run(name, size, some, false);
        expect(makespan).toBeGreaterThanOrEqual(Math.max(...work) - 1e-9);
      }
    });
  });
});
