/**
 * Counts the records of `tally-reporter.mjs`. A file that failed outside of its tests counts as one failure, and so
 * does a run that failed although every test passed: an unhandled rejection, a crash, a limit.
 *
 * @param succeeded The exit status of vitest was 0.
 * @returns `running`: the files that had started and not ended.
 */
export function tallyRecords(records, succeeded) {
  const tests = records.filter(({ kind }) => kind === "test");
  const ends = records.filter(({ kind }) => kind === "file-end");
  const ended = new Set(ends.map(({ file }) => file));
  const passed = tests.filter(({ state }) => state === "passed").length;
  const failed =
    tests.filter(({ state }) => state === "failed").length + ends.filter(({ isBroken }) => isBroken).length;
  const started = records.filter(({ kind, file }) => kind === "file-start" && !ended.has(file));
  return {
    passed,
    failed: failed === 0 && !succeeded ? 1 : failed,
    running: [...new Set(started.map(({ file }) => file))],
  };
}
