import { expect, test } from "vitest";
import type { RankError } from "../../src/launch/rank-error.ts";
import { runRanks } from "../../src/launch/run-ranks.ts";
import type { LaunchData } from "../ranks/launch-rank.ts";
import { freePort } from "./free-port.ts";
import { loopbackPlacement } from "./loopback-placement.ts";

const program = new URL("../ranks/launch-rank.ts", import.meta.url);

/** Runs ranks that are spread over two processes, both of which live in this one. */
async function runInTwo(behaviours: LaunchData["behaviours"]): Promise<PromiseSettledResult<unknown[]>[]> {
  const masterPort = await freePort();
  const numRanks = behaviours.length;
  const place = (process: number) =>
    loopbackPlacement(masterPort, { process, numProcesses: 2, ranksPerProcess: numRanks / 2 });
  return Promise.allSettled(
    [0, 1].map((process) => runRanks(program, { numRanks, data: { behaviours }, processes: place(process) })),
  );
}

test.each([
  [["return", "waitForRank0"], "control", 1],
  [["sendAndReturn", "takeOneTooMany"], "activations", 1],
  [["return", "return", "return", "waitForRank0"], "control", 3],
] as const)(
  "a rank that waits for one of another process that has returned says so: %j",
  async (behaviours, kind, rank) => {
    const [, waiting] = await runInTwo(behaviours);
    const error = (waiting as PromiseRejectedResult).reason as RankError;
    expect(error).toMatchObject({ rank, code: "RETURNED", wait: { peer: 0, kind } });
    expect(error.wait!.waitedMs).toBeLessThan(5000);
    expect(error.message).toContain("the program of rank 0 has returned");
  },
  60_000,
);

test("what a rank of another process sent before it returned still arrives", async () => {
  const settled = await runInTwo(["sendAndReturn", "takeLater"]);
  expect(settled).toEqual([
    { status: "fulfilled", value: [undefined] },
    { status: "fulfilled", value: [[0, 1, 2]] },
  ]);
}, 60_000);
