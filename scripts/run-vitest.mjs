/**
 * Runs vitest under a time limit and counts what it did.
 *
 * The limit is there because a thread that hangs in native code keeps vitest from ending. A fixed limit ends good runs
 * on slow machines, so it grows with the time that a fixed loop takes here, which is longer on slow processors and on
 * busy ones. A run that reaches it reports the tests that had ended, the files that were running, and the limit's name.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join, relative } from "node:path";
import { OVER_LIMIT, ROOT, runProgram } from "./setup.mjs";
import { tallyRecords } from "./tally.mjs";

const LIMIT_VARIABLE = "DUALPIPE_TEST_LIMIT_MINUTES";
/** The tests take about half an hour on two cores on which the loop takes `REFERENCE_MS`. */
const REFERENCE_MINUTES = 37;
const REFERENCE_CORES = 2;
const REFERENCE_MS = 150;
const SLOWDOWN_MAX = 6;
/** Three weeks: a timer of Node fires at once when its time is over 24.8 days. */
const LIMIT_MAX = 30_000;

/** The limit of a test run on this machine, in minutes: the one given, or one that fits the machine's speed. */
export function limitMinutes(env = process.env, measureMs = measureLoopMs, cores = availableParallelism()) {
  const given = env[LIMIT_VARIABLE];
  if (given) {
    if (Number(given) > 0 && Number(given) <= LIMIT_MAX) return Number(given);
    const range = `a number of minutes over 0, at most ${LIMIT_MAX}`;
    throw new Error(`dualpipe: ${LIMIT_VARIABLE} must be ${range}; got ${given}`);
  }
  const slowdown = Math.max(1, REFERENCE_CORES / cores) * Math.max(1, measureMs() / REFERENCE_MS);
  return Math.round(REFERENCE_MINUTES * Math.min(SLOWDOWN_MAX, slowdown));
}

/** The median of five measurements, since the scheduler interrupts single ones. */
function measureLoopMs() {
  const times = Array.from({ length: 5 }, () => {
    const start = performance.now();
    for (let i = 0, x = 1; i < 1e8; i++) x = (Math.imul(x, 1664525) + 1013904223) | 0;
    return performance.now() - start;
  });
  return times.sort((a, b) => a - b)[2];
}

/**
 * Runs vitest with the given arguments.
 * @returns The tally, and the reason when the limit ended the run.
 */
export async function runVitest(vitest, args, minutes, stdio = ["ignore", "inherit", "inherit"]) {
  const folder = mkdtempSync(join(tmpdir(), "dualpipe-tests-"));
  const path = join(folder, "records.jsonl");
  const reporters = ["--reporter=default", `--reporter=${join(ROOT, "scripts", "tally-reporter.mjs")}`];
  const outcome = await runProgram(process.execPath, [vitest, "run", ...reporters, ...args], {
    stdio,
    limitMs: minutes * 60_000,
    env: { ...process.env, DUALPIPE_TALLY_FILE: path },
  });
  const { running, ...tally } = tallyRecords(readRecords(path), outcome === 0);
  rmSync(folder, { recursive: true, force: true });
  if (outcome !== OVER_LIMIT) return { tally };
  const files = running.map((file) => relative(ROOT, file)).join(", ") || "no file";
  const problem = `the tests were ended after ${minutes} minutes, with ${tally.passed} tests passed; running: ${files}. ${LIMIT_VARIABLE} sets another limit`;
  return { tally, problem };
}

function readRecords(path) {
  let text;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return [];
  }
  // Without the line that was being written when the run was killed.
  const lines = text.split("\n").slice(0, -1);
  return lines.map((line) => JSON.parse(line));
}
