// Someone who knows a run's secret connects to its hub, and sends whatever they like.
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { connectSecurely, type HubLocation } from "../../src/launch/hub/secure-connection.ts";
import { runOfProcesses } from "../../src/launch/process-placement.ts";
import type { Addon } from "../../src/native/addon.ts";
import { loadAddon } from "../../src/native/load.ts";
import { TrainingRun } from "../checkpoint/training-run.ts";
import { freePort } from "../gloo/free-port.ts";
import { loopbackPlacement } from "../gloo/loopback-placement.ts";
import { startDualpipe } from "../processes/start-launcher.ts";
import { mutatedLines } from "./mutated-lines.ts";
import { RandomNumbers } from "./random-numbers.ts";

const SECRET = "known to a stranger";
const NUM_LINES = 10_000;
const LINES_PER_CONNECTION = 10;
const NUM_AT_ONCE = 4;

const run = new TrainingRun();
const folder = mkdtempSync(join(tmpdir(), "dualpipe-protocol-"));
afterAll(() => {
  run[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** Lines that a hub understands, of a member that is still missing. */
function validLines(numMembers: number, description: string): object[] {
  const join = { kind: "join", member: 1, numMembers, run: description, heartbeatTimeoutMs: 30_000 };
  return [
    join,
    { kind: "send", to: "others", body: '{"kind":"connected"}' },
    { kind: "send", to: 0, body: '{"kind":"ended","failure":null}' },
    { kind: "leave" },
  ];
}

/** Sends the lines over many connections, each of which the hub may end. @returns The hub's answers, each once. */
async function sendLines(
  location: HubLocation,
  lines: Iterator<Buffer, never>,
  server: ChildProcess,
): Promise<Set<string>> {
  const answers = new Set<string>();
  let numLeft = NUM_LINES / LINES_PER_CONNECTION;
  const sendSome = async (): Promise<void> => {
    while (numLeft-- > 0) {
      const socket = await untilConnected(location, server);
      const closed = new Promise((resolve) => socket.on("close", resolve));
      socket.on("error", () => {});
      socket.on("data", (data) => {
        for (const line of data.toString().split("\n")) answers.add(line);
      });
      for (let i = 0; i < LINES_PER_CONNECTION; i++)
        socket.write(Buffer.concat([lines.next().value, LINE_FEED]));
      socket.end();
      await closed;
    }
  };
  await Promise.all(Array.from({ length: NUM_AT_ONCE }, sendSome));
  return answers;
}

const LINE_FEED = Buffer.from("\n");

/** Connects to the hub as soon as the process serves it. @throws Error when the process has ended */
async function untilConnected(location: HubLocation, server: ChildProcess) {
  for (const signal = AbortSignal.timeout(60_000); ; ) {
    try {
      return await connectSecurely(location, signal);
    } catch (error) {
      if (server.exitCode !== null || (error as NodeJS.ErrnoException).code !== "ECONNREFUSED") throw error;
      await new Promise(setImmediate);
    }
  }
}

test("lines of strangers who know the secret neither end process 0 nor keep its run from completing", async () => {
  const port = await freePort();
  const start = (rank: number) =>
    run.spawn(run.dir("hub"), ["pipeline.schedule=1f1b", "pipeline.ranks=3", "training.steps=4"], {
      resume: false,
      env: {
        DUALPIPE_SECRET: SECRET,
        RANK: String(rank),
        WORLD_SIZE: "3",
        LOCAL_RANK: String(rank),
        MASTER_ADDR: "127.0.0.1",
        MASTER_PORT: String(port),
      },
    });
  const first = start(0);
  const placement = loopbackPlacement(port, { process: 0, numProcesses: 3, ranksPerProcess: 1 });
  const description = runOfProcesses(loadAddon<Addon>(), { ...placement, secret: SECRET });
  const lines = mutatedLines(validLines(3, description), new RandomNumbers(20_261_126));
  const answers = await sendLines({ address: "127.0.0.1", port, secret: SECRET }, lines, first.child);
  // Some lines were those of a process of the run.
  expect([...answers].join("\n")).toContain('"present"');
  for (const { closed, output } of [first, start(1), start(2)])
    expect(await closed, output()).toEqual([0, null]);
});

test("nor do they end the launcher that leads those of other hosts", async () => {
  const port = await freePort();
  const script = join(folder, "done.mjs");
  writeFileSync(script, "console.log('done');");
  const start = (rank: number) => {
    const options = {
      nnodes: "3",
      "node-rank": String(rank),
      "master-addr": "127.0.0.1",
      "master-port": String(port),
    };
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
    return startDualpipe(["launch", ...args, script], { DUALPIPE_SECRET: SECRET });
  };
  const first = start(0);
  const lines = mutatedLines(
    validLines(3, "a run of 3 hosts with 1 process each"),
    new RandomNumbers(20_261_128),
  );
  const answers = await sendLines({ address: "127.0.0.1", port, secret: SECRET }, lines, first.child);
  expect([...answers].join("\n")).toContain('"present"');
  for (const { ended } of [first, start(1), start(2)]) {
    const { status, stdout, stderr } = await ended;
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toContain("done");
  }
});
