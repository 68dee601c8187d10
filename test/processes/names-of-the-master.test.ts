// Processes and launchers of a run may write the address of the master's host in different ways.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { TrainingRun } from "../checkpoint/training-run.ts";
import { freePort } from "../gloo/free-port.ts";
import { startDualpipe } from "./start-launcher.ts";

const NAMES = ["localhost", "127.0.0.1"];

const run = new TrainingRun();
const folder = mkdtempSync(join(tmpdir(), "dualpipe-names-"));
afterAll(() => {
  run[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

test.each([
  ["process 0", NAMES],
  ["process 1", [...NAMES].reverse()],
])("%s has the name, and the other one the address", async (_who, addresses) => {
  const port = String(await freePort());
  const processes = addresses.map((address, rank) =>
    run.spawn(run.dir(`run-of-${addresses[0]}`), ["training.steps=4"], {
      resume: false,
      env: {
        RANK: String(rank),
        WORLD_SIZE: "2",
        LOCAL_RANK: String(rank),
        MASTER_ADDR: address,
        MASTER_PORT: port,
      },
    }),
  );
  for (const { closed, output } of processes) expect(await closed, output()).toEqual([0, null]);
});

test("so may launchers", async () => {
  const port = String(await freePort());
  const script = join(folder, "done.mjs");
  writeFileSync(script, "");
  const hosts = NAMES.map((address, rank) => {
    const own = [
      "--nnodes",
      "2",
      "--node-rank",
      String(rank),
      "--master-addr",
      address,
      "--master-port",
      port,
    ];
    return startDualpipe(["launch", ...own, script]);
  });
  for (const { ended } of hosts) expect(await ended).toMatchObject({ status: 0 });
});
