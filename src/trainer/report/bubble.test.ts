import { expect, test } from "vitest";
import { buildProgram, lower, profileOf, simulate, UNIT_COST } from "../../schedule/index.ts";
import { bubbleInWords, reportBubble } from "./bubble.ts";

const shape = { schedule: "1f1b", numRanks: 2, numStages: 2, numMicroBatches: 4, link: { latency: 0 } };
const program = buildProgram("1f1b", shape);

test("a bubble says what it is a share of, of which step, and how it was planned", () => {
  const { timeline, makespan } = simulate(lower(program), UNIT_COST);
  const profile = profileOf([timeline], { ...shape, stepMs: makespan });
  const report = reportBubble([timeline, timeline], profile, program);
  expect(report.measuredRatio).toBeCloseTo(report.plannedRatio, 12);
  expect(report.measuredStepMs).toBeCloseTo(report.plannedStepMs, 12);
  const lines = bubbleInWords(
    { ...report, measuredRatio: 0.275, measuredStepMs: 102, plannedStepMs: 204, medianStepMs: 198 },
    2,
  );
  expect(lines[0]).toBe("bubble, the share of the 2 ranks' time without a computation:");
  expect(lines[1]).toMatch(
    /^ {2}measured {2}27.5 % of 102 ms: the last step, from its first computation to the end of its last/,
  );
  expect(lines[2]).toMatch(
    /^ {2}planned +\d+\.\d % of 204 ms: .* simulated at the mean costs .* of the last 2 steps \(198 ms\)/,
  );
  expect(bubbleInWords({ ...report, numSteps: 1 }, 1).join("\n")).toMatch(
    /the rank's time[\s\S]*of the last step,/,
  );
});
