import { beforeAll, describe, expect, test } from "vitest";
import { ConnectedProcesses } from "../../src/launch/connected-processes.ts";
import { runRanks } from "../../src/launch/run-ranks.ts";
import type { Addon } from "../../src/native/addon.ts";
import { loadAddon } from "../../src/native/load.ts";
import type { Network } from "../../src/transport/processes/connect-processes.ts";
import { conformanceCases, NUM_CONFORMANCE_RANKS } from "../ranks/conformance.ts";
import { freePort } from "./free-port.ts";
import type { GroupRankData } from "./group-rank.ts";
import { loopbackPlacement } from "./loopback-placement.ts";

const PROGRAM = new URL("./group-rank.ts", import.meta.url);

type Data = Partial<GroupRankData> & Pick<GroupRankData, "behaviour">;

/** Runs processes that all live in this one; each has its own connections to the others. */
async function run<Result>(network: Network, numRanks: number, data: Data): Promise<Result[]> {
  const { numProcesses = numRanks } = data;
  const ranksPerProcess = numRanks / numProcesses;
  const masterPort = await freePort();
  const connections = Array.from({ length: numProcesses }, (_, process) =>
    ConnectedProcesses.connect(
      loadAddon<Addon>(),
      loopbackPlacement(masterPort, { process, numProcesses, ranksPerProcess }, network),
    ),
  );
  const processes = await Promise.all(connections);
  try {
    const bridges = processes.map(({ bridge }) => bridge);
    return await runRanks<Result>(PROGRAM, {
      numRanks,
      data: { numProcesses, ranksPerProcess, bridges, ...data } satisfies GroupRankData,
    });
  } finally {
    await Promise.all(processes.map((process) => process.leave({ well: true })));
  }
}

describe.each<Network>(["gloo", "sockets"])("between processes, over %s", (network) => {
  let failures: Record<string, string>[] = [];

  beforeAll(async () => {
    failures = await run(network, NUM_CONFORMANCE_RANKS, { behaviour: "conformance" });
  }, 60_000);

  test.each(conformanceCases)("%s", (name) => {
    expect(failures).toHaveLength(NUM_CONFORMANCE_RANKS);
    expect(failures.map((ofRank) => ofRank[name])).toEqual(failures.map(() => undefined));
  });

  test("messages arrive whole when their sizes change", async () => {
    await run(network, 2, { behaviour: "changingSizes" });
  });

  test("two processes of two ranks each communicate on every edge", async () => {
    const received = await run(network, 4, { behaviour: "everyone", numProcesses: 2 });
    expect(received).toEqual([
      [10, 20, 30],
      [1, 21, 31],
      [2, 12, 32],
      [3, 13, 23],
    ]);
  });

  test("a rank that waits for a disconnected process is told so", async () => {
    await expect(run(network, 2, { behaviour: "deserted" })).rejects.toMatchObject({
      code: "ABORTED",
      message: expect.stringMatching(
        /^dualpipe: rank 0 stopped while waiting for gradients of rank 1: rank 1 disconnected/,
      ),
    });
  });

  test("a receive gives up when nothing arrives in time", async () => {
    await expect(run(network, 2, { behaviour: "idle", timeoutMs: 1000 })).rejects.toMatchObject({
      code: "TIMEOUT",
      message: expect.stringMatching(
        /rank \d gave up waiting for .* of rank \d: nothing arrived within 1000 ms/,
      ),
    });
  });
});
