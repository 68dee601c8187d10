import { expect, test } from "vitest";

type Tally = { passed: number; failed: number };
const { tallyReport } = (await import(new URL("../../scripts/tally.mjs", import.meta.url).href)) as {
  tallyReport: (report: unknown, succeeded: boolean) => Tally;
};

const passing = { status: "passed", assertionResults: [{ status: "passed" }] };
const failing = { status: "failed", assertionResults: [{ status: "failed" }, { status: "passed" }] };
const broken = { status: "failed", assertionResults: [] };

test.each<[string, unknown, boolean, Tally]>([
  [
    "all passed",
    { numPassedTests: 2, numFailedTests: 0, testResults: [passing] },
    true,
    { passed: 2, failed: 0 },
  ],
  [
    "one failed",
    { numPassedTests: 1, numFailedTests: 1, testResults: [failing] },
    false,
    { passed: 1, failed: 1 },
  ],
  [
    "a file that does not load",
    { numPassedTests: 1, numFailedTests: 0, testResults: [passing, broken] },
    false,
    { passed: 1, failed: 1 },
  ],
  [
    "an unhandled rejection",
    { numPassedTests: 1, numFailedTests: 0, testResults: [passing] },
    false,
    { passed: 1, failed: 1 },
  ],
  ["no report", undefined, false, { passed: 0, failed: 1 }],
])("%s", (_what, report, succeeded, tally) => {
  expect(tallyReport(report, succeeded)).toEqual(tally);
});
