import { expect, test } from "vitest";
import type { LaunchData } from "../../test/ranks/launch-rank.ts";
import type { RankError } from "./rank-error.ts";
import { type RunRanksOptions, runRanks } from "./run-ranks.ts";

const program = new URL("../../test/ranks/launch-rank.ts", import.meta.url);

function run(behaviours: LaunchData["behaviours"], options: Partial<RunRanksOptions> = {}) {
  const data: LaunchData = { behaviours, payload: { nested: [1, 2] } };
  return runRanks(program, { numRanks: behaviours.length, data, ...options });
}

async function failureOf(running: Promise<unknown>): Promise<RankError> {
  try {
    await running;
  } catch (error) {
    return error as RankError;
  }
  throw new Error("the run ended without an error");
}

test("every rank gets its context, and its result and its reports come back", async () => {
  const reports: [number, unknown][] = [];
  const results = await run(["describe", "describe", "describe"], {
    onReport: (rank, value) => reports.push([rank, value]),
  });
  const payload = { nested: [1, 2] };
  expect(results).toEqual([0, 1, 2].map((rank) => ({ rank, numRanks: 3, size: 3, payload })));
  expect(reports.sort()).toEqual([0, 1, 2].map((rank) => [rank, `hello from ${rank}`]));
});

test("the error of the rank that failed is the one reported, not those of the ranks that it stopped", async () => {
  const error = await failureOf(run(["waitForRank0", "fail", "waitForRank0"]));
  expect(error).toMatchObject({
    name: "RankError",
    rank: 1,
    code: "MADE_UP",
    message: "dualpipe: rank 1 failed: it broke here",
  });
  expect(error.rankStack).toContain("launch-rank.ts");
});

test("what is thrown without being an Error is reported as text", async () => {
  const error = await failureOf(run(["failWithoutError"]));
  expect(error).toMatchObject({
    rank: 0,
    code: "RANK_FAILED",
    message: "dualpipe: rank 0 failed: only a text",
  });
});

test("a rank that goes on after another has failed is stopped again", async () => {
  const error = await failureOf(run(["fail", "waitForRank0Again"]));
  expect(error).toMatchObject({ rank: 0, code: "MADE_UP" });
}, 20_000);

test("a rank whose thread ends before its program does is a crash", async () => {
  const error = await failureOf(run(["waitForRank0", "exit"]));
  const message = "dualpipe: rank 1 ended with exit code 3 before its program did";
  expect(error).toMatchObject({ rank: 1, code: "CRASHED", message });
});

test("an uncaught error of a rank is a crash", async () => {
  const error = await failureOf(run(["waitForRank0", "crash"]));
  const message = "dualpipe: rank 1 crashed: thrown in a callback";
  expect(error).toMatchObject({ rank: 1, code: "CRASHED", message });
});

test("a receive without an answer ends after its timeout", async () => {
  const error = await failureOf(run(["waitForRank0"], { timeoutMs: 20 }));
  const message = "dualpipe: rank 0 gave up waiting for control of rank 0: nothing arrived within 20 ms";
  const wait = { peer: 0, kind: "control", waitedMs: 20 };
  expect(error).toMatchObject({ rank: 0, code: "TIMEOUT", message, wait });
});

test("a signal stops ranks that wait", async () => {
  const interruption = new AbortController();
  const error = await failureOf(
    run(["reportAndWaitForRank0", "waitForRank0"], {
      signal: interruption.signal,
      onReport: () => interruption.abort(),
    }),
  );
  expect(error).toMatchObject({
    rank: undefined,
    code: "INTERRUPTED",
    message: "dualpipe: the run was stopped by its signal",
  });
});

test("a signal that was given before the start stops the run", async () => {
  const running = run(["waitForRank0", "waitForRank0"], { signal: AbortSignal.abort() });
  expect(await failureOf(running)).toMatchObject({ code: "INTERRUPTED" });
}, 20_000);

test("a signal stops a rank that computes and never waits", async () => {
  const interruption = new AbortController();
  const error = await failureOf(
    run(["spin"], { signal: interruption.signal, onReport: () => interruption.abort() }),
  );
  expect(error.code).toBe("INTERRUPTED");
}, 30_000);

test("a result that cannot be copied to the main thread is that rank's error", async () => {
  const error = await failureOf(run(["returnFunction", "waitForRank0"]));
  expect(error.rank).toBe(0);
  expect(error.message).toContain("could not be cloned");
});

test("a program that is missing, or that has no default export, is named", async () => {
  const missing = new URL("./no-such-program.ts", import.meta.url);
  expect((await failureOf(runRanks(missing, { numRanks: 1 }))).message).toContain("no-such-program");
  const other = new URL("./rank-error.ts", import.meta.url);
  expect((await failureOf(runRanks(other, { numRanks: 2 }))).message).toBe(
    `dualpipe: a rank's program must be the default export of its module; ${other.href} has no function there; write: export default function (context) { ... }`,
  );
});
