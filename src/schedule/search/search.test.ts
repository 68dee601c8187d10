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
} from "../index.ts";
import { dueOrder } from "./due-order.ts";
import { listSchedule } from "./list-schedule.ts";
import { RandomNumbers } from "./random-numbers.ts";

const placements = {
  linear: loopedPlacement,
  loop: (numRanks: number, numMicroBatches: number) => loopedPlacement(numRanks, numMicroBatches, 2),
  v: vPlacement,
  bidirectional: bidirectionalPlacement,
};

/** A step to schedule: two micro-batches per pair, and room for more activations than it needs. */
const steps = {
  placement: fc.constantFrom(...Object.values(placements)),
  numRanks: fc.integer({ min: 1, max: 5 }),
  numPairs: fc.integer({ min: 1, max: 5 }),
  extraRoom: fc.nat({ max: 8 }),
};

describe("list scheduling", () => {
  it("gives a sound program within its memory, whatever the costs", () => {
    const cost = fc.integer({ min: 0, max: 5 });
    fc.assert(
      fc.property(
        fc.record({
          ...steps,
          preference: fc.constantFrom(
            "backward-first" as const,
            "forward-first" as const,
            "weights-when-full" as const,
          ),
          patience: fc.constantFrom(0, 0.5, 1, 3),
          pairs: fc.boolean(),
          pairShare: fc.constantFrom(0.5, 0.9, 1),
          forwardPatience: fc.constantFrom(0, 0.5, 1, 3),
          F: cost,
          I: cost,
          W: cost,
          latency: cost,
        }),
        ({
          placement,
          numRanks,
          numPairs,
          extraRoom,
          preference,
          patience,
          forwardPatience,
          pairs,
          pairShare,
          F,
          I,
          W,
          latency,
        }) => {
          const maxActivations = 2 + extraRoom;
          const { program } = listSchedule({
            placement: placement(numRanks, 2 * numPairs),
            cost: { F, I, W, pairShare, link: { latency } },
            maxActivations,
            pairs,
            preference,
            patience,
            forwardPatience,
          });
          expect(verify(lower(program)).problems).toEqual([]);
          expect(Math.max(...peakActivations(program))).toBeLessThanOrEqual(maxActivations);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("due times", () => {
  it("give a sound program within its memory, whatever they and the costs are", () => {
    const cost = fc.integer({ min: 0, max: 5 });
    const share = fc.constantFrom(0, 0.5, 1, 3);
    fc.assert(
      fc.property(
        fc.record({
          ...steps,
          cost: fc.record({ F: cost, I: cost, W: cost, link: fc.record({ latency: cost }) }),
          rules: fc.record({
            isStrict: fc.boolean(),
            patience: share,
            urgency: share,
            leavesRoom: fc.boolean(),
            pairs: fc.boolean(),
          }),
          seed: fc.nat(),
        }),
        ({ placement: make, numRanks, numPairs, extraRoom, cost, rules, seed }) => {
          const placement = make(numRanks, 2 * numPairs);
          const maxActivations = 2 + extraRoom;
          const random = new RandomNumbers(seed);
          const times = () =>
            Float64Array.from({ length: 2 * numPairs * placement.numStages }, () => random.next());
          const step = dueOrder({ placement, cost, maxActivations }, { F: times(), I: times() }, rules);
          if (!rules.isStrict && rules.leavesRoom) expect(step.makespan).toBeLessThan(Infinity);
          if (step.makespan === Infinity) return;
          const program = lower(step.program);
          expect(verify(program).problems).toEqual([]);
          expect(Math.max(...peakActivations(step.program))).toBeLessThanOrEqual(maxActivations);
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

  function search(placement: keyof typeof placements, cost: CostModel, maxActivations: number) {
    const result = searchSchedule({
      placement: placements[placement](numRanks, numMicroBatches),
      cost,
      maxActivations,
    });
    const lowered = lower(result.program);
    expect(Math.max(...peakActivations(result.program))).toBeLessThanOrEqual(maxActivations);
    expect(verify(lowered).problems).toEqual([]);
    expect(simulate(lowered, cost).makespan).toBe(result.simulation.makespan);
    return result.simulation.makespan;
  }

  function makespanOf(name: string, cost: CostModel): number {
    return simulate(lower(buildProgram(name, { numRanks, numMicroBatches })), cost).makespan;
  }

  // W is cheaper than I, as with attention. A stage of a V is half of one of the other schedules.
  const half: CostModel = { F: 1, I: 1.4, W: 0.7, link: { latency: 0.1 } };
  const whole: CostModel = { F: 2, I: 2.8, W: 1.4, link: { latency: 0.1 } };

  it("beats every named schedule where there is memory for more activations", () => {
    const named = [
      ...["gpipe", "1f1b", "zb1p", "zb2p", "dualpipe"].map((name) => makespanOf(name, whole)),
      ...["interleaved", "zbv", "dualpipev"].map((name) => makespanOf(name, half)),
    ];
    expect(search("v", half, 16)).toBeLessThan(Math.min(...named) * 0.995);
  });

  it("beats ZB1P where there is more memory than that needs, and less than ZB2P needs", () => {
    expect(search("linear", whole, 6)).toBeLessThan(makespanOf("zb1p", whole) * 0.97);
  });

  it("beats DualPipe where the last stage is heavier, with no more activations", () => {
    expect(search("bidirectional", uneven, 5)).toBeLessThan(makespanOf("dualpipe", uneven) - 1e-9);
  });

  it("finds nothing better than ZB1P with its memory, and is no worse", () => {
    expect(search("linear", whole, 4)).toBeCloseTo(makespanOf("zb1p", whole), 9);
  });

  // The scheduler of the authors of Zero Bubble and V-Half, at sizes where the search once lost (bench/searches.ts).
  it.each([
    ["v", 4, 12, { F: 1, I: 1, W: 1, link: { latency: 0 } }, 6, 77],
    ["v", 4, 5, { F: 2, I: 2.8, W: 1.4, link: { latency: 0.1 } }, 8, 72.3],
    ["v", 3, 4, { F: 2, I: 2.8, W: 1.4, link: { latency: 0.1 } }, 6, 56.2],
    ["v", 5, 6, { F: 1, I: 1.4, W: 0.7, link: { latency: 0 } }, 10, 43.5],
    ["linear", 8, 24, { F: 2, I: 2.8, W: 1.4, link: { latency: 0.1 } }, 10, 171.2],
  ] as const)(
    "is no worse than the zero-bubble scheduler: %s, %i x %i",
    (shape, ranks, microBatches, cost, maxActivations, theirs) => {
      const placement = placements[shape](ranks, microBatches);
      expect(searchSchedule({ placement, cost, maxActivations }).simulation.makespan).toBeLessThanOrEqual(
        theirs * 1.001,
      );
    },
  );

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
