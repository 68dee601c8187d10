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

test.each([
  ["timeoutMs", 2 ** 31],
  ["timeoutMs", Number.POSITIVE_INFINITY],
  ["rendezvousTimeoutMs", 2_000_000_001],
  ["heartbeatTimeoutMs", 0],
  ["heartbeatTimeoutMs", Number.NaN],
])("a %s of %d, which no timer can wait, is refused", async (name, value) => {
  await expect(run(["describe"], { [name]: value })).rejects.toMatchObject({
    code: "INVALID_OPTION",
    message: expect.stringContaining(
      `${name} of runRanks must be a number of milliseconds over 0, at most 2000000000 (23 days); got ${value}`,
    ),
  });
});

test("the longest timeout is waited for", async () => {
  expect(await run(["describe"], { timeoutMs: 2_000_000_000 })).toHaveLength(1);
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

test.each(["starting-run.ts", "importing-run.ts"])(
  "a rank's module that starts the run is told how: %s",
  async (file) => {
    const error = await failureOf(
      runRanks(new URL(`../../test/ranks/${file}`, import.meta.url), { numRanks: 2 }),
    );
    expect(error.code).toBe("RUN_INSIDE_RANK");
    expect(error.message).toMatch(
      /^dualpipe: a rank must not start a run, .*; rank [01] called runRanks; .*: import { isMainThread } from "node:worker_threads"; if \(isMainThread\) await runRanks\(\.\.\.\)$/,
    );
  },
);

test.each(["startRun", "startRunOfProcesses", "startRunInWorker"] as const)(
  "a rank cannot start a run: %s",
  async (behaviour) => {
    const error = await failureOf(run([behaviour]));
    expect(error.message).toContain("a rank must not start a run, ");
    expect(error.message).toContain("; rank 0 called runRanks; ");
    expect(error.message.match(/dualpipe:/g)).toHaveLength(1);
  },
);

test.each([
  ["failInternally", "failed"],
  ["crashInternally", "crashed"],
] as const)("a broken rule of ours is reported with one prefix: %s", async (behaviour, how) => {
  const message = `dualpipe: rank 0 ${how}: internal error, please report it: a rule of ours`;
  expect(await failureOf(run([behaviour]))).toMatchObject({ rank: 0, message });
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

const advice =
  "the program of rank 0 has returned, and everything that it sent has been received; make sure that all ranks take part in the same steps, and return only after the last one";

test.each([
  [["return", "waitForRank0"], "control", 1],
  [["return", "return", "waitForRank0"], "control", 2],
  [["sendAndReturn", "takeOneTooMany"], "activations", 1],
] as const)(
  "a rank that waits for one that has returned says so: %j",
  async (behaviours, kind, rank) => {
    const startMs = performance.now();
    const error = await failureOf(run(behaviours));
    expect(performance.now() - startMs).toBeLessThan(30_000);
    expect(error).toMatchObject({ rank, code: "RETURNED", wait: { peer: 0, kind } });
    expect(error.wait!.waitedMs).toBeLessThan(5000);
    expect(error.message).toBe(`dualpipe: rank ${rank} gave up waiting for ${kind} of rank 0: ${advice}`);
  },
  60_000,
);

test("a group of some of the ranks knows which of them have returned", async () => {
  const error = await failureOf(run(["return", "return", "waitForRank0InSubgroup"]));
  expect(error).toMatchObject({ rank: 2, code: "RETURNED", wait: { peer: 1, kind: "weights" } });
}, 60_000);

test("what a rank sent before it returned still arrives", async () => {
  expect(await run(["sendAndReturn", "takeLater", "return"])).toEqual([
    undefined,
    [0, 1, 2],
    "rank 2 has returned",
  ]);
}, 60_000);

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
