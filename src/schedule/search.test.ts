import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  bidirectionalPlacement,
  buildProgram,
  type CostModel,
  loopedPlacement,
  lower,
  peakActivations,
  searchSchedule,
  simulate,
  verify,
  vPlacement,
} from "./index.ts";
import { listSchedule } from "./list-schedule.ts";

const placements = {
  linear: loopedPlacement,
  loop: (numRanks: number, numMicroBatches: number) => loopedPlacement(numRanks, numMicroBatches, 2),
  v: vPlacement,
  bidirectional: bidirectionalPlacement,
};

describe("list scheduling", () => {
  it("gives a sound program within its memory, whatever the costs", () => {
    const cost = fc.integer({ min: 0, max: 5 });
    fc.assert(
      fc.property(
        fc.record({
          placement: fc.constantFrom(...Object.values(placements)),
          numRanks: fc.integer({ min: 1, max: 5 }),
          numPairs: fc.integer({ min: 1, max: 5 }),
          extraRoom: fc.nat({ max: 8 }),
          preference: fc.constantFrom(
            "backward-first" as const,
            "forward-first" as const,
            "weight-early" as const,
          ),
          patience: fc.constantFrom(0, 0.5, 1, 3),
          F: cost,
          I: cost,
          W: cost,
          latency: cost,
        }),
        ({ placement, numRanks, numPairs, extraRoom, preference, patience, F, I, W, latency }) => {
          const maxActivations = 2 + extraRoom;
          const program = listSchedule({
            placement: placement(numRanks, 2 * numPairs),
            cost: { F, I, W, link: { latency } },
            maxActivations,
            preference,
            patience,
          });
          expect(verify(lower(program)).problems).toEqual([]);
          expect(Math.max(...peakActivations(program))).toBeLessThanOrEqual(maxActivations);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("search", () => {
  const numRanks = 4;
  const numMicroBatches = 12;
  // The last stage has the head of the model, and W is cheaper than I, as with attention.
  const uneven: CostModel = {
    F: [2, 2, 2, 3],
    I: [2.8, 2.8, 2.8, 4],
    W: [1.4, 1.4, 1.4, 2.5],
    link: { latency: 0.1 },
  };

  it.each([
    ["1f1b", "linear", 4],
    ["dualpipe", "bidirectional", 5],
  ] as const)("beats %s at uneven costs with no more activations", (name, placement, maxActivations) => {
    const named = buildProgram(name, { numRanks, numMicroBatches });
    const { program, simulation } = searchSchedule({
      placement: placements[placement](numRanks, numMicroBatches),
      cost: uneven,
      maxActivations,
      starts: [named],
    });
    expect(Math.max(...peakActivations(program))).toBeLessThanOrEqual(maxActivations);
    expect(verify(lower(program)).problems).toEqual([]);
    expect(simulate(lower(program), uneven).makespan).toBe(simulation.makespan);
    expect(simulation.makespan).toBeLessThan(simulate(lower(named), uneven).makespan - 1e-9);
  });

  it("is never worse than what it starts from, here ZB1P, which leaves nothing to gain at these costs", () => {
    const named = buildProgram("zb1p", { numRanks, numMicroBatches });
    const placement = placements.linear(numRanks, numMicroBatches);
    const { simulation } = searchSchedule({ placement, cost: uneven, maxActivations: 4, starts: [named] });
    expect(simulation.makespan).toBeCloseTo(simulate(lower(named), uneven).makespan, 9);
  });

  it("gives the same program for the same seed", () => {
    const options = { placement: vPlacement(2, 4), cost: { ...uneven }, maxActivations: 5, seed: 7 };
    expect(searchSchedule(options).program).toEqual(searchSchedule(options).program);
  });

  it("says how much room it needs", () => {
    expect(() => searchSchedule({ placement: vPlacement(2, 4), cost: uneven, maxActivations: 1 })).toThrow(
      /room for 1 with 2 stages; allow 2/,
    );
  });
});
