// What a step on cards must not do: wait for the card, keep memory, or give other bits the next time.
import { expect, test } from "vitest";
import { runRanks } from "../../src/launch/run-ranks.ts";
import type { DeviceChoice } from "../../src/tensor/device-choice.ts";
import { Runtime } from "../../src/tensor/runtime.ts";
import { cosineDifference } from "../ranks/sequential.ts";
import type { MlpSteps, MlpStepsReport } from "./mlp-steps-rank.ts";

const { numDevices: numCards } = Runtime.load({ device: "cuda" }).device;
const program = new URL("./mlp-steps-rank.ts", import.meta.url);
const run = (numRanks: number, device: DeviceChoice, data: MlpSteps) =>
  runRanks<MlpStepsReport>(program, { numRanks, device, data });

const steps: MlpSteps = { hidden: 64, numMicroBatches: 20, numSteps: 30 };

test("`auto` chooses cards, which the ranks take in turn", async () => {
  const ranks = await run(2, "auto", { ...steps, numSteps: 1 });
  expect(ranks.map(({ device }) => device)[0]).toBe("cuda:0");
});

test.each([2, 4])(
  "on %i ranks no step waits for the card, and all steps give the same bits",
  async (numRanks) => {
    for (const report of await run(numRanks, "cuda", steps)) {
      expect(report.numInRead).toBe(1);
      expect(report.numSynchronizations).toBe(0);
      expect(report.losses[1]).toEqual(report.losses[0]);
      expect(report.gradients[1]).toEqual(report.gradients[0]);
    }
  },
);

test("two runs give the same bits", async () => {
  const [first, second] = [await run(2, "cuda", steps), await run(2, "cuda", steps)];
  expect(second.map(({ losses, gradients }) => [losses, gradients])).toEqual(
    first.map(({ losses, gradients }) => [losses, gradients]),
  );
});

test.each([2, 4])(
  "on %i ranks steps as graphs give the bits of steps without, and do not wait for the card",
  async (numRanks) => {
    const [without, as] = [
      await run(numRanks, "cuda", steps),
      await run(numRanks, "cuda", { ...steps, useGraphs: true }),
    ];
    as.forEach((report, rank) => {
      if (numRanks <= 2 * numCards) expect(report.graphProblem).toBeUndefined();
      else expect(report.graphProblem).toContain("at most 2 ranks of a card");
      expect(report.losses).toEqual(without[rank]!.losses);
      expect(report.gradients).toEqual(without[rank]!.gradients);
      expect(report.numSynchronizations).toBe(0);
    });
  },
);

test("a rank that fails ends the waits of the others' graphs", async () => {
  const failing = runRanks(new URL("./failing-rank.ts", import.meta.url), { numRanks: 2, device: "cuda" });
  await expect(failing).rejects.toMatchObject({ rank: 1, problem: "rank 1 failed: the rank is tired" });
});

test("memory is the same after each of 1,000 steps", async () => {
  for (const useGraphs of [false, true]) {
    const ranks = await run(2, "cuda", { ...steps, numSteps: 1000, useGraphs });
    for (const { liveBytes } of ranks) expect(new Set(liveBytes.slice(3)).size).toBe(1);
  }
});

/** Float32 products in another order. */
const LOSS_TOLERANCE = 1e-5;
const COSINE_TOLERANCE = 1e-10;

test("a card and the CPU agree", async () => {
  const once = { ...steps, numSteps: 1 };
  const [onCards, onCpu] = [await run(2, "cuda", once), await run(2, "cpu", once)];
  onCards.forEach(({ losses, gradients }, rank) => {
    losses[0]!.forEach((loss, i) => {
      const expected = onCpu[rank]!.losses[0]![i]!;
      expect(Math.abs(loss / expected - 1)).toBeLessThan(LOSS_TOLERANCE);
    });
    gradients[0]!.forEach((gradient, i) => {
      const expected = onCpu[rank]!.gradients[0]![i]!;
      expect(Math.abs(cosineDifference(gradient, expected))).toBeLessThan(COSINE_TOLERANCE);
    });
  });
});
