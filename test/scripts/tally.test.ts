import { expect, test } from "vitest";

type Tally = { passed: number; failed: number; running: string[] };
const { tallyRecords } = (await import(new URL("../../scripts/tally.mjs", import.meta.url).href)) as {
  tallyRecords: (records: readonly unknown[], succeeded: boolean) => Tally;
};

const start = { kind: "file-start", file: "a.test.ts" };
const end = { kind: "file-end", file: "a.test.ts", isBroken: false };
const passed = { kind: "test", state: "passed" };
const failed = { kind: "test", state: "failed" };
const skipped = { kind: "test", state: "skipped" };

test.each<[string, unknown[], boolean, Tally]>([
  ["all passed", [start, passed, skipped, passed, end], true, { passed: 2, failed: 0, running: [] }],
  ["one failed", [start, failed, passed, end], false, { passed: 1, failed: 1, running: [] }],
  [
    "a file that does not load",
    [start, passed, end, { kind: "file-start", file: "b" }, { kind: "file-end", file: "b", isBroken: true }],
    false,
    { passed: 1, failed: 1, running: [] },
  ],
  ["an unhandled rejection", [start, passed, end], false, { passed: 1, failed: 1, running: [] }],
  ["a run that was killed", [start, passed, passed], false, { passed: 2, failed: 1, running: ["a.test.ts"] }],
  ["no record", [], false, { passed: 0, failed: 1, running: [] }],
])("%s", (_what, records, succeeded, tally) => {
  expect(tallyRecords(records, succeeded)).toEqual(tally);
});
