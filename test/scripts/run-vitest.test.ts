import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { temporaryFolder, writeTree } from "../native/fake-libtorch.ts";

interface Outcome {
  readonly tally: { passed: number; failed: number };
  readonly problem?: string;
}
const { limitMinutes, runVitest } = (await import(
  new URL("../../scripts/run-vitest.mjs", import.meta.url).href
)) as {
  limitMinutes: (env: NodeJS.ProcessEnv, measureMs: () => number, cores: number) => number;
  runVitest: (vitest: string, args: string[], minutes: number, stdio: string) => Promise<Outcome>;
};

const VITEST = fileURLToPath(new URL("../../node_modules/vitest/vitest.mjs", import.meta.url));

/** Runs vitest on some test files, which use its functions as globals. */
function runFiles(files: Record<string, string>, minutes: number): Promise<Outcome> {
  const root = temporaryFolder();
  writeTree(root, { ...files, "vitest.config.js": "export default {};" });
  return runVitest(VITEST, ["--root", root, "--globals"], minutes, "ignore");
}

test("a run is counted by tests, and a file that does not load is a failure", async () => {
  const files = {
    "a.test.js": `test("passes", () => {}); test("fails", () => { throw new Error("no"); }); test.skip("skipped", () => {});`,
    "b.test.js": `import "./missing.js"; test("never runs", () => {});`,
  };
  expect(await runFiles(files, 10)).toEqual({ tally: { passed: 1, failed: 2 } });
});

test("a run that reaches its limit reports what had passed, what was running and the limit", async () => {
  // A loop without an end stops the timeouts of vitest itself, as a hang in native code does.
  const files = {
    "a.test.js": `test("passes", () => {}); test("hangs", async () => { await new Promise((r) => setTimeout(r, 1000)); for (;;); });`,
  };
  let outcome: Outcome;
  // On a busy machine vitest itself needs long to start.
  for (let minutes = 0.2; ; minutes *= 2) {
    outcome = await runFiles(files, minutes);
    if (outcome.tally.passed > 0 || minutes > 1) break;
  }
  expect(outcome.tally).toEqual({ passed: 1, failed: 1 });
  expect(outcome.problem).toMatch(
    /^the tests were ended after [\d.]+ minutes, with 1 tests passed; running: .*a\.test\.js\. DUALPIPE_TEST_LIMIT_MINUTES sets/,
  );
});

test("the limit grows with the slowness of a machine, and a variable overrides it", () => {
  const fast = limitMinutes({}, () => 50, 16);
  expect(limitMinutes({}, () => 150, 2)).toBe(fast);
  expect(limitMinutes({}, () => 150, 1)).toBe(2 * fast);
  expect(limitMinutes({}, () => 450, 2)).toBe(3 * fast);
  expect(limitMinutes({}, () => 1e6, 2)).toBe(6 * fast);
  expect(limitMinutes({ DUALPIPE_TEST_LIMIT_MINUTES: "7" }, () => 1e6, 1)).toBe(7);
  expect(limitMinutes({ DUALPIPE_TEST_LIMIT_MINUTES: "" }, () => 50, 16)).toBe(fast);
  for (const wrong of ["soon", "36000", "-1"])
    expect(() => limitMinutes({ DUALPIPE_TEST_LIMIT_MINUTES: wrong }, () => 1, 1)).toThrow(
      `a number of minutes over 0, at most 30000; got ${wrong}`,
    );
});
