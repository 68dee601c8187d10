import { spawn } from "node:child_process";
import { connect, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test } from "vitest";
import { ConnectedProcesses } from "../../src/launch/connected-processes.ts";
import type { Addon } from "../../src/native/addon.ts";
import { loadAddon } from "../../src/native/load.ts";
import { freePort } from "./free-port.ts";
import { type ListeningSocket, listeningSockets } from "./listening-sockets.ts";
import { loopbackPlacement } from "./loopback-placement.ts";

const addon = loadAddon<Addon>();
const strangers: Socket[] = [];
afterEach(() => {
  for (const stranger of strangers.splice(0)) stranger.destroy();
});

/** Processes that are all in this one; each uses an addon of its own, which may be one that strangers disturb. */
async function meet(addons: readonly Addon[], ranksPerProcess = [1, 1]): Promise<ConnectedProcesses[]> {
  const masterPort = await freePort();
  const controller = new AbortController();
  const { signal } = controller;
  const meetings = addons.map((own, process) =>
    ConnectedProcesses.connect(
      own,
      loopbackPlacement(masterPort, {
        process,
        numProcesses: addons.length,
        ranksPerProcess: ranksPerProcess[process]!,
      }),
      { rendezvousTimeoutMs: 60_000, signal },
    ),
  );
  try {
    return await Promise.all(meetings);
  } catch (error) {
    controller.abort();
    await Promise.allSettled(meetings);
    throw error;
  }
}

const leave = (processes: readonly ConnectedProcesses[]) =>
  Promise.all(processes.map((process) => process.leave({ well: true })));

test("main threads speak to one another once all are connected", async () => {
  const processes = await meet([addon, addon]);
  const heard = new Promise((resolve) => {
    processes[1]!.onMessage = (...message) => resolve(message);
  });
  processes[0]!.send("others", { kind: "hello" });
  expect(await heard).toEqual([0, { kind: "hello" }]);
  await leave(processes);
});

test("processes that count their ranks otherwise are no run", async () => {
  await expect(meet([addon, addon], [1, 2])).rejects.toMatchObject({
    code: "REFUSED",
    message: expect.stringMatching(/those who meet here are of a run of \d ranks in 2 processes, not of/),
  });
});

test("a process that stops while all connect is given up as silent", async () => {
  const masterPort = await freePort();
  const program = fileURLToPath(new URL("./process-that-stops.ts", import.meta.url));
  const stopping = spawn(process.execPath, [...process.execArgv, program, String(masterPort)]);
  const placement = loopbackPlacement(masterPort, { process: 0, numProcesses: 2, ranksPerProcess: 1 });
  try {
    await expect(
      ConnectedProcesses.connect(addon, placement, { rendezvousTimeoutMs: 60_000 }),
    ).rejects.toMatchObject({
      code: "RENDEZVOUS_TIMEOUT",
      message: expect.stringContaining("process 1 is gone while all connect: no sign of life for 0.2 s"),
    });
  } finally {
    stopping.kill("SIGKILL");
  }
});

/** Those that nobody listened on before. */
function opened(before: readonly ListeningSocket[]): ListeningSocket[] {
  const known = new Set(before.map(({ address, port }) => `${address}:${port}`));
  return listeningSockets().filter(({ address, port }) => !known.has(`${address}:${port}`));
}

/** An addon at whose first attempt to connect somebody else comes to each of Gloo's ports before the other process does. */
function disturbed(said: Uint8Array | undefined): Addon {
  const gloo: Addon["gloo"] = {
    ...addon.gloo!,
    connect: (options, publish) => {
      const before = listeningSockets();
      let sending = Promise.resolve();
      return addon.gloo!.connect(options, (key, value) => {
        sending = sending.then(async () => {
          if (options.name.endsWith("-0/"))
            await Promise.all(opened(before).map((socket) => visit(socket, said)));
          publish(key, value);
        });
      });
    },
  };
  return { ...addon, gloo };
}

async function visit({ port, address }: ListeningSocket, said: Uint8Array | undefined): Promise<void> {
  const socket = connect(port, address);
  strangers.push(socket);
  socket.on("error", () => {});
  await new Promise<void>((resolve) => {
    socket.once("connect", resolve);
    socket.once("error", () => resolve());
  });
  if (said !== undefined) socket.write(said);
}

describe("a stranger who takes a process's place while all connect", () => {
  test.each([
    ["nothing", undefined],
    ["garbage", Buffer.from("garbage that is longer than what Gloo sends before each of its messages")],
    ["half of what Gloo says", Buffer.alloc(20)],
  ])(
    "and says %s costs an attempt, not the run",
    async (_what, said) => {
      const processes = await meet([disturbed(said), disturbed(said)]);
      expect(processes.map(({ bridge }) => bridge.endsWith("-1/"))).toEqual([true, true]);
      await leave(processes);
    },
    60_000,
  );
});

test("no port stays open once all are connected, but the hub's", async () => {
  const before = listeningSockets();
  const processes = await meet([addon, addon, addon], [1, 1, 1]);
  expect(opened(before)).toHaveLength(1);
  await leave(processes);
  expect(opened(before)).toEqual([]);
});
