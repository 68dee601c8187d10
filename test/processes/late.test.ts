// What a run needs may come late: the name of the master's host, and torchrun's store.
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, expect, test } from "vitest";
import { TrainingRun } from "../checkpoint/training-run.ts";
import { freePort } from "../gloo/free-port.ts";
import { startDualpipe } from "./start-launcher.ts";

const LATE_NAME = { NODE_OPTIONS: `--import ${new URL("./late-name.mjs", import.meta.url).href}` };

const run = new TrainingRun();
const folder = mkdtempSync(join(tmpdir(), "dualpipe-late-"));
beforeEach(() => {
  numRuns++;
});
afterAll(() => {
  run[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

let numRuns = 0;

function start(
  rank: number,
  address: string,
  port: number,
  env: NodeJS.ProcessEnv,
  overrides: string[] = [],
) {
  return run.spawn(run.dir(`late-${numRuns}`), ["training.steps=4", ...overrides], {
    resume: false,
    env: {
      ...env,
      RANK: String(rank),
      WORLD_SIZE: "2",
      LOCAL_RANK: String(rank),
      MASTER_ADDR: address,
      MASTER_PORT: String(port),
    },
  });
}

test("processes wait for the name of the master's host", async () => {
  const port = await freePort();
  // Timeouts that are as long as can be do not fire at once either.
  const longest = ["meetSeconds", "silenceSeconds", "receiveSeconds"].map((key) => `timeouts.${key}=2000000`);
  const processes = [0, 1].map((rank) => start(rank, "late.test", port, LATE_NAME, longest));
  for (const { closed, output } of processes) expect(await closed, output()).toEqual([0, null]);
});

test("so do the launchers of all hosts", async () => {
  const port = String(await freePort());
  const script = join(folder, "done.mjs");
  writeFileSync(script, "");
  const hosts = ["0", "1"].map((rank) => {
    const own = ["--nnodes", "2", "--node-rank", rank, "--master-addr", "late.test", "--master-port", port];
    const args = [...own, "--meet-timeout", "2000000", "--silence-timeout", "2000000"];
    return startDualpipe(["launch", ...args, script], { ...LATE_NAME, DUALPIPE_SECRET: "of this run" });
  });
  for (const { ended } of hosts) expect(await ended).toMatchObject({ status: 0, stderr: "" });
});

const WAITS_A_SECOND = ["timeouts.meetSeconds=1"];
const STORE = { TORCHELASTIC_USE_AGENT_STORE: "True" };

test.each([
  [
    "a name that never has an address",
    "late.test",
    { ...LATE_NAME, NUM_FAILURES: "1000" },
    "late.test has no address yet: getaddrinfo ENOTFOUND",
  ],
  ["a store that never answers", "127.0.0.1", STORE, "does not answer: connect ECONNREFUSED"],
] as const)("%s ends the wait with the status of a timeout", async (_what, address, env, obstacle) => {
  const port = await freePort();
  const processes = [0, 1].map((rank) => start(rank, address, port, env, WAITS_A_SECOND));
  for (const [rank, { closed, output }] of processes.entries()) {
    expect(await closed, output()).toEqual([4, null]);
    expect(output()).toContain(`process ${rank} waited 1 s for all 2 processes of the run`);
    expect(output()).toContain(obstacle);
  }
});

test.each([0, 1])("a signal ends the wait of process %i for an answer of the store", async (rank) => {
  const sockets: Socket[] = [];
  const dumb = createServer((socket) => {
    socket.on("error", () => {});
    sockets.push(socket);
  }).listen(0, "127.0.0.1");
  await once(dumb, "listening");
  const { child, closed, output } = start(rank, "127.0.0.1", (dumb.address() as AddressInfo).port, STORE);
  await once(dumb, "connection");
  child.kill("SIGTERM");
  expect(await closed, output()).toEqual([143, null]);
  for (const socket of sockets) socket.destroy();
  dumb.close();
});
