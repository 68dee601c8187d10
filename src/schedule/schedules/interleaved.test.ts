import fc from "fast-check";
import { expect, it } from "vitest";
import {
  buildProgram,
  formatProgram,
  lower,
  peakActivations,
  simulate,
  UNIT_COST,
  verify,
} from "../index.ts";

const sizes = {
  numRanks: fc.integer({ min: 1, max: 6 }),
  numMicroBatches: fc.integer({ min: 1, max: 20 }),
  stagesPerRank: fc.integer({ min: 2, max: 4 }),
  extraWarmUps: fc.integer({ min: 0, max: 3 }),
};

it.each(["interleaved", "interleaved-zb", "looped-bfs"])(
  "%s is sound with any number of micro-batches",
  (name) => {
    fc.assert(
      fc.property(fc.record(sizes), (given) => {
        const extraWarmUps = name === "looped-bfs" ? 0 : given.extraWarmUps;
        const program = lower(buildProgram(name, { ...given, extraWarmUps }));
        expect(verify(program).problems).toEqual([]);
        expect(simulate(program, UNIT_COST).makespan).toBeGreaterThan(0);
      }),
      { numRuns: 300 },
    );
  },
);

// Torch: rounds of M / (M / P rounded down) micro-batches. 10 on 4 ranks are two rounds of five.
it("runs 10 micro-batches on 4 ranks in two rounds of five", () => {
  const { ranks } = buildProgram("interleaved", { numRanks: 4, numMicroBatches: 10 });
  const forwards = Array.from(ranks[0]!).filter(({ kind }) => kind === "F");
  const stages = forwards.map((action) => (action.kind === "F" ? action.stage : -1));
  expect(stages).toEqual([0, 4, 0, 4].flatMap((stage) => new Array(5).fill(stage)));
});

it("an extra warm-up is one forward earlier on every rank, and one activation more", () => {
  const of = (extraWarmUps: number) =>
    buildProgram("interleaved", { numRanks: 4, numMicroBatches: 12, stagesPerRank: 2, extraWarmUps });
  const numWarmUps = (actions: readonly string[]) => actions.findIndex((text) => text.includes("B"));
  expect(formatProgram(of(1)).map(numWarmUps)).toEqual(
    formatProgram(of(0)).map((each) => numWarmUps(each) + 1),
  );
  expect(peakActivations(of(1))).toEqual(peakActivations(of(0)).map((peak) => peak + 1));
  expect(() => buildProgram("1f1b", { numRanks: 4, numMicroBatches: 8, extraWarmUps: 1 })).toThrow(
    /extra warm-ups must be 0; got 1; only interleaved schedules have them/,
  );
});
