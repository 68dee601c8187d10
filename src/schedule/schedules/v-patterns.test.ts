import { describe, expect, it } from "vitest";
import { buildProgram, lower, peakActivations, simulate, UNIT_COST, verify } from "../index.ts";

// The authors' demonstration (huggingface.co/spaces/sail/pipeline-parallelism-with-controllable-memory) states these
// numbers of micro-batches; a rank's stage is half of one of 1F1B.
const PUBLISHED: Readonly<Record<string, (numRanks: number) => number>> = {
  "v-min": (numRanks) => 2 * Math.floor((numRanks + 4) / 3),
  "v-half": (numRanks) => 2 * Math.floor((numRanks + 2) / 2),
};

const peakOf = (name: string, numRanks: number, numMicroBatches: number) =>
  Math.max(...peakActivations(buildProgram(name, { numRanks, numMicroBatches })));

describe.each(["v-min", "v-half"])("%s", (name) => {
  it("is sound with 1 to 12 ranks and any number of micro-batches", () => {
    for (let numRanks = 1; numRanks <= 12; numRanks++)
      for (const numMicroBatches of [1, 2, 3, numRanks, 2 * numRanks + 1]) {
        const program = lower(buildProgram(name, { numRanks, numMicroBatches }));
        expect(verify(program).problems, `${numRanks} x ${numMicroBatches}`).toEqual([]);
      }
  });

  it("has a bubble that does not grow with the number of micro-batches", () => {
    const bubbleOf = (numRanks: number, numMicroBatches: number) => {
      const { makespan, work } = simulate(
        lower(buildProgram(name, { numRanks, numMicroBatches })),
        UNIT_COST,
        {
          wholeComputations: true,
        },
      );
      return makespan - work[0]!;
    };
    for (let numRanks = 2; numRanks <= 16; numRanks++) {
      const [few, many] = [bubbleOf(numRanks, 3 * numRanks), bubbleOf(numRanks, 6 * numRanks)];
      expect(many, `${numRanks} ranks`).toBe(few);
    }
  });
});

// In V-Half a rank holds half of one more where the number of ranks is even.
it.each([
  ["v-min", 0],
  ["v-half", 1],
])("%s holds what is published, and at most %i micro-batches of a stage more", (name, more) => {
  for (let numRanks = 2; numRanks <= 32; numRanks++)
    expect(peakOf(name, numRanks, 4 * numRanks), `${numRanks} ranks`).toBeLessThanOrEqual(
      PUBLISHED[name]!(numRanks) + more,
    );
});
