import { describe, expect, it } from "vitest";
import {
  buildProgram,
  type CostModel,
  costOf,
  lower,
  parseProfile,
  planFromProfile,
  profileOf,
  simulate,
} from "../index.ts";

const shape = { numRanks: 4, numStages: 4, numMicroBatches: 12 };
const cost: CostModel = {
  F: [2, 2, 2, 3],
  I: [3, 3, 3, 4],
  W: [1.5, 1.5, 1.5, 2.5],
  pairShare: 0.9,
  link: { latency: 0.1 },
};

function profileOfSimulation(schedule: string) {
  const { timeline, makespan } = simulate(lower(buildProgram(schedule, shape)), cost);
  return profileOf([timeline], { schedule, ...shape, stepMs: makespan, link: cost.link });
}

describe("a profile", () => {
  it("recovers the costs that a step was run with", () => {
    const profile = profileOfSimulation("dualpipe");
    for (const kind of ["F", "I", "W"] as const) {
      for (const [stage, value] of profile[kind].entries()) {
        expect(value).toBeCloseTo((cost[kind] as readonly number[])[stage]!, 9);
      }
    }
    expect(profile.pairShare).toBeCloseTo(0.9, 9);
  });

  it.each(["dualpipe", "zb1p", "1f1b"])("predicts the step of %s that it was measured in", (schedule) => {
    const { predictedMs, measuredMs } = planFromProfile(profileOfSimulation(schedule));
    // 1F1B never splits a backward, so its I is taken to be half of it.
    expect(Math.abs(predictedMs / measuredMs - 1)).toBeLessThan(schedule === "1f1b" ? 0.03 : 1e-9);
  });

  it("comes back from JSON as it was", () => {
    const profile = profileOfSimulation("zb1p");
    expect(parseProfile(JSON.stringify(profile))).toEqual(profile);
  });

  it("predicts other schedules with the costs of one", () => {
    const { makespan } = simulate(lower(buildProgram("zb2p", shape)), cost);
    const predicted = planFromProfile(profileOfSimulation("zb1p")).runs.find(
      (run) => run.schedule === "zb2p",
    );
    expect(predicted!.stepMs).toBeCloseTo(makespan, 9);
    expect(costOf(profileOfSimulation("zb1p")).link).toEqual(cost.link);
  });

  it.each([
    ["{", /the file must be JSON/],
    ["[]", /version must be 1/],
    [
      JSON.stringify({ version: 1, schedule: "zbv", numRanks: 0 }),
      /numRanks must be a whole number of at least 1; got 0/,
    ],
  ])("says what is wrong with %s", (text, message) => {
    expect(() => parseProfile(text)).toThrow(message);
  });
});
