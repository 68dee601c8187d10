// What `verify` calls sound must train as the sequential model does, also when no one designed it.
import { expect, test } from "vitest";
import { runRanks } from "../../src/launch/run-ranks.ts";
import { mutantsOf } from "./mutants.ts";
import type { MutantReport } from "./mutants-rank.ts";

const PROGRAM = new URL("./mutants-rank.ts", import.meta.url);

test.each([
  [2, 250],
  [3, 100],
  [4, 150],
])(
  "on %i ranks, %i random programs that verify have the sequential model's losses and gradients",
  async (numRanks, numSound) => {
    const { sound, numRefused } = mutantsOf(numRanks, numSound, 20_261_127 + numRanks);
    const reports = await runRanks<MutantReport[]>(PROGRAM, { numRanks, data: sound });
    sound.forEach((text, i) => {
      const ranks = reports.map((each) => each[i]!);
      const losses = ranks.flatMap(({ losses }) => losses);
      expect(losses.length, text).toBeGreaterThan(0);
      expect(
        losses.every((isEqual) => isEqual),
        text,
      ).toBe(true);
      for (const { gradientDifference } of ranks) expect(gradientDifference, text).toBeLessThan(1e-12);
    });
    console.log(
      `${numRanks} ranks: ${numSound} mutants trained like the sequential model, ${numRefused} were refused`,
    );
  },
);
