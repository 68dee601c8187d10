/**
 * Counts vitest's JSON report. A file that failed before its first test counts as one failure, and so does
 * a run that failed although every test passed (an unhandled rejection, a crash, no report at all).
 */
export function tallyReport(report, succeeded) {
  const brokenFiles = (report?.testResults ?? []).filter(
    (file) => file.status === "failed" && !file.assertionResults.some((result) => result.status === "failed"),
  );
  const passed = report?.numPassedTests ?? 0;
  const failed = (report?.numFailedTests ?? 0) + brokenFiles.length;
  return { passed, failed: failed === 0 && !succeeded ? 1 : failed };
}
