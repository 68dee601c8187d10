import { spawn } from "node:child_process";
import { connect, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test } from "vitest";
import { ConnectedProcesses } from "../../src/launch/connected-processes.ts";
import { HubMember } from "../../src/launch/hub/hub-member.ts";
import { isAnything } from "../../src/launch/message-shapes.ts";
import { publicSecret, runOfProcesses } from "../../src/launch/process-placement.ts";
import type { Addon } from "../../src/native/addon.ts";
import { loadAddon } from "../../src/native/load.ts";
import type { Network } from "../../src/transport/processes/connect-processes.ts";
import { freePort } from "./free-port.ts";
import { type ListeningSocket, listeningSockets } from "./listening-sockets.ts";
import { loopbackPlacement } from "./loopback-placement.ts";

const addon = loadAddon<Addon>();
const strangers: Socket[] = [];
afterEach(() => {
  for (const stranger of strangers.splice(0)) stranger.destroy();
});

/** Processes of a run that all live in this one. Each has an addon of its own, which a stranger may disturb. */
async function connectAll(
  addons: readonly Addon[],
  ranksPerProcess = [1, 1],
  network?: Network,
): Promise<ConnectedProcesses[]> {
  const masterPort = await freePort();
  const controller = new AbortController();
  const { signal } = controller;
  const connections = addons.map((own, process) =>
    ConnectedProcesses.connect(
      own,
      loopbackPlacement(
        masterPort,
        { process, numProcesses: addons.length, ranksPerProcess: ranksPerProcess[process]! },
        network,
      ),
      { rendezvousTimeoutMs: 60_000, signal },
    ),
  );
  try {
    return await Promise.all(connections);
  } catch (error) {
    controller.abort();
    await Promise.allSettled(connections);
    throw error;
  }
}

const leave = (processes: readonly ConnectedProcesses[]) =>
  Promise.all(processes.map((process) => process.leave({ well: true })));

test("main threads exchange messages once all processes are connected", async () => {
  const processes = await connectAll([addon, addon]);
  const heard = new Promise((resolve) => {
    processes[1]!.onMessage(isAnything, (...message) => resolve(message));
  });
  processes[0]!.send("others", { kind: "hello" });
  expect(await heard).toEqual([0, { kind: "hello" }]);
  await leave(processes);
});

test("processes with different numbers of ranks are not one run", async () => {
  await expect(connectAll([addon, addon], [1, 2])).rejects.toMatchObject({
    code: "REFUSED",
    message: expect.stringMatching(
      /process \d belongs to a run of \d ranks in 2 processes, .*, and the hub at .* serves a run of \d ranks in 2/,
    ),
  });
});

test("a process that stops while all connect is a heartbeat timeout", async () => {
  const masterPort = await freePort();
  const program = fileURLToPath(new URL("./process-that-stops.ts", import.meta.url));
  const placement = loopbackPlacement(masterPort, { process: 0, numProcesses: 2, ranksPerProcess: 1 });
  const args = [program, String(masterPort), runOfProcesses(addon, placement)];
  const stopping = spawn(process.execPath, [...process.execArgv, ...args]);
  try {
    await expect(
      ConnectedProcesses.connect(addon, placement, { rendezvousTimeoutMs: 60_000 }),
    ).rejects.toMatchObject({
      code: "RENDEZVOUS_TIMEOUT",
      message: expect.stringContaining(
        "all processes had joined the run, but while they connected process 1 (rank 1) disconnected: no heartbeat for 0.2 s",
      ),
    });
  } finally {
    stopping.kill("SIGKILL");
  }
});

test.each([
  ["nothing", null],
  ["half a result", { kind: "result", attempt: 0 }],
  ["the return of another's rank", { kind: "returned", rank: 0, sent: [] }],
  ["the return of no rank", { kind: "returned", rank: 99, sent: [] }],
  [
    "more messages than can be counted",
    { kind: "returned", rank: 1, sent: [{ destination: 0, kind: "weights", count: 2 ** 40 }] },
  ],
])("a process that says %s while all connect is named", async (_what, body) => {
  const masterPort = await freePort();
  const placement = loopbackPlacement(masterPort, { process: 0, numProcesses: 2, ranksPerProcess: 1 });
  const connecting = ConnectedProcesses.connect(addon, placement, { rendezvousTimeoutMs: 60_000 });
  const secret = publicSecret(masterPort);
  const other = HubMember.join({
    locate: async () => ({ address: "127.0.0.1", port: masterPort, secret }),
    noun: "process",
    member: 1,
    numMembers: 2,
    run: runOfProcesses(addon, placement),
    rendezvousTimeoutMs: 60_000,
    heartbeatTimeoutMs: 20_000,
    isBody: isAnything,
    onMessage: () => {},
    onDisconnect: () => {},
  }).then((member) => member.send(0, body));
  await expect(connecting).rejects.toMatchObject({
    code: "RENDEZVOUS_FAILED",
    message: expect.stringContaining(
      "process 1 (rank 1) disconnected: it sent what is no message of this run",
    ),
  });
  await other;
});

/** The sockets that were not listening before. */
function opened(before: readonly ListeningSocket[]): ListeningSocket[] {
  const known = new Set(before.map(({ address, port }) => `${address}:${port}`));
  return listeningSockets([process.pid]).filter(({ address, port }) => !known.has(`${address}:${port}`));
}

/** An addon at whose first attempt a stranger connects to each of Gloo's ports before the other process does. */
function disturbed(sent: Uint8Array | undefined): Addon {
  const processes: Addon["processes"] = {
    ...addon.processes,
    connect: (options, publish) => {
      const before = listeningSockets([process.pid]);
      let sending = Promise.resolve();
      return addon.processes.connect(options, (key, value) => {
        sending = sending.then(async () => {
          if (options.name.endsWith("-0/"))
            await Promise.all(opened(before).map((socket) => visit(socket, sent)));
          publish(key, value);
        });
      });
    },
  };
  return { ...addon, processes };
}

async function visit({ port, address }: ListeningSocket, sent: Uint8Array | undefined): Promise<void> {
  const socket = connect(port, address);
  strangers.push(socket);
  socket.on("error", () => {});
  await new Promise<void>((resolve) => {
    socket.once("connect", resolve);
    socket.once("error", () => resolve());
  });
  if (sent !== undefined) socket.write(sent);
}

const GARBAGE = [
  ["nothing", undefined],
  ["garbage", Buffer.from("garbage that is longer than what Gloo sends before each of its messages")],
  ["half of a Gloo greeting", Buffer.alloc(20)],
] as const;

describe("a stranger that takes a process's place while all connect over Gloo", () => {
  test.each(GARBAGE)(
    "and sends %s costs an attempt, not the run",
    async (_what, sent) => {
      const processes = await connectAll([disturbed(sent), disturbed(sent)], [1, 1], "gloo");
      expect(processes.map(({ bridge }) => bridge.endsWith("-1/"))).toEqual([true, true]);
      await leave(processes);
    },
    60_000,
  );
});

test.each(GARBAGE)(
  "a stranger that sends %s while all connect over sockets costs nothing",
  async (_what, sent) => {
    const processes = await connectAll([disturbed(sent), disturbed(sent)], [1, 1], "sockets");
    expect(strangers.length).toBeGreaterThan(0);
    expect(processes.map(({ bridge }) => bridge.endsWith("-0/"))).toEqual([true, true]);
    await leave(processes);
  },
);

test.each<Network>(["gloo", "sockets"])(
  "once all are connected over %s, only the hub's port stays open",
  async (network) => {
    const before = listeningSockets([process.pid]);
    const processes = await connectAll([addon, addon, addon], [1, 1, 1], network);
    // Gloo closes its ports in a thread of its own.
    await expect.poll(() => opened(before)).toHaveLength(1);
    await leave(processes);
    await expect.poll(() => opened(before)).toEqual([]);
  },
);
