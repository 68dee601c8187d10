import { expect, it } from "vitest";
import { buildProgram, findSchedule } from "./registry.ts";

const KINDS = ["F", "F", "FIW", "FBP", "BP", "BI", "IW", "W"];

it.each(["dualpipe", "dualpipev"])("the steps of %s have as many computations as their program", (name) => {
  for (const [numRanks, numMicroBatches] of [
    [2, 4],
    [4, 8],
    [8, 20],
    [8, 16],
    [6, 40],
  ] as const) {
    const sizes = { numRanks, numMicroBatches: name === "dualpipe" ? numMicroBatches : 2 * numMicroBatches };
    const { ranks } = buildProgram(name, sizes);
    for (const [rank, actions] of ranks.entries()) {
      const lengths = findSchedule(name).stepLengths!(sizes, rank);
      expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(actions.length);
      let index = 0;
      for (const [step, length] of lengths.entries()) {
        for (let i = 0; i < length; i++, index++) {
          const { kind } = actions.at(index);
          expect(KINDS[step]).toContain(kind === "OVERLAP_F_B" ? "P" : kind);
        }
      }
    }
  }
});
