import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { MetProcesses } from "../../src/launch/met-processes.ts";
import type { Addon } from "../../src/native/addon.ts";
import { loadAddon } from "../../src/native/load.ts";
import { freePort } from "./free-port.ts";

const addon = loadAddon<Addon>();
const strangers: Socket[] = [];
afterEach(() => {
  for (const stranger of strangers.splice(0)) stranger.destroy();
});

/** Processes that are all in this one; each uses an addon of its own, which may be one that strangers disturb. */
async function meet(addons: readonly Addon[], ranksPerProcess = [1, 1]): Promise<MetProcesses[]> {
  const masterPort = await freePort();
  const controller = new AbortController();
  const { signal } = controller;
  const meetings = addons.map((own, process) =>
    MetProcesses.meet(
      own,
      {
        process,
        numProcesses: addons.length,
        ranksPerProcess: ranksPerProcess[process]!,
        masterAddress: "127.0.0.1",
        masterPort,
        hub: "process 0",
        address: "127.0.0.1",
        secret: undefined,
      },
      { meetTimeoutMs: 60_000, signal },
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

const leave = (processes: readonly MetProcesses[]) =>
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

/** Ports of the loopback address on which somebody listens, by Linux's own list. */
function listeningPorts(): Set<number> {
  const lines = readFileSync("/proc/self/net/tcp", "utf8").split("\n").slice(1);
  const LISTENING = "0A";
  return new Set(
    lines
      .map((line) => line.trim().split(/\s+/))
      .filter(([, local, , state]) => local?.startsWith("0100007F") && state === LISTENING)
      .map(([, local]) => Number.parseInt(local!.split(":")[1]!, 16)),
  );
}

/** An addon at whose first attempt to connect somebody else comes to each of Gloo's ports before the other process does. */
function disturbed(said: Uint8Array | undefined): Addon {
  const c10d: Addon["c10d"] = {
    ...addon.c10d!,
    connect: (options, publish) => {
      const before = listeningPorts();
      let sending = Promise.resolve();
      return addon.c10d!.connect(options, (key, value) => {
        sending = sending.then(async () => {
          const opened = [...listeningPorts()].filter((port) => !before.has(port));
          if (options.name.endsWith("-0/")) await Promise.all(opened.map((port) => visit(port, said)));
          publish(key, value);
        });
      });
    },
  };
  return { ...addon, c10d };
}

async function visit(port: number, said: Uint8Array | undefined): Promise<void> {
  const socket = connect(port, "127.0.0.1");
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
  const before = listeningPorts();
  const processes = await meet([addon, addon, addon], [1, 1, 1]);
  expect([...listeningPorts()].filter((port) => !before.has(port))).toHaveLength(1);
  await leave(processes);
  expect([...listeningPorts()].filter((port) => !before.has(port))).toEqual([]);
});
