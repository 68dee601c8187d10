import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { freePort } from "../gloo/free-port.ts";
import { listeningSockets } from "../gloo/listening-sockets.ts";
import { startDualpipe } from "./start-launcher.ts";

const SCRIPT = fileURLToPath(new URL("./connecting-script.mjs", import.meta.url));

const server = createServer();
const greetings: string[] = [];
const sockets = new Map<number, Socket>();
const launchers: ChildProcess[] = [];

beforeEach(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});

afterEach(async () => {
  for (const launcher of launchers.splice(0)) launcher.kill("SIGKILL");
  server.removeAllListeners("connection");
  server.close();
  await once(server, "close");
});

/** Resolves when this many processes have connected. */
function connections(numProcesses: number): Promise<void> {
  server.removeAllListeners("connection");
  sockets.clear();
  greetings.length = 0;
  return new Promise<void>((resolve) => {
    server.on("connection", (socket) => {
      socket.on("error", () => {});
      socket.setEncoding("utf8").once("data", (greeting: string) => {
        greetings.push(greeting.trim());
        sockets.set(Number.parseInt(greeting, 10), socket);
        if (sockets.size === numProcesses) resolve();
      });
    });
  });
}

function startScript(
  numProcesses: number | undefined,
  args: readonly string[] = [],
  env: NodeJS.ProcessEnv = {},
) {
  const { port } = server.address() as AddressInfo;
  const options = [
    ...(numProcesses === undefined ? [] : ["--nproc-per-node", String(numProcesses)]),
    ...args,
  ];
  const launcher = startDualpipe(["launch", ...options, SCRIPT, String(port)], env);
  launchers.push(launcher.child);
  return launcher;
}

/** Launches the script, and waits until all its processes have connected. */
async function launch(numProcesses: number, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}) {
  const ready = connections(numProcesses);
  const launcher = startScript(numProcesses, args, env);
  await ready;
  const closed = Promise.all([...sockets.values()].map((socket) => once(socket, "close")));
  return { ...launcher, allProcessesEnded: closed };
}

test("every process gets its variables, and only the lines of the first are printed unchanged", async () => {
  const { ended } = await launch(3);
  for (const socket of sockets.values()) socket.write("end");
  const { status, stdout } = await ended;
  expect(greetings.sort()).toEqual([
    "0 of 3, here 0, start 0",
    "1 of 3, here 1, start 0",
    "2 of 3, here 2, start 0",
  ]);
  expect(stdout.trim().split("\n").sort()).toEqual([
    "[process 1] hello from 1",
    "[process 2] hello from 2",
    "hello from 0",
  ]);
  expect(status).toBe(0);
});

test("each host starts its own processes, once all hosts have joined", async () => {
  const port = String(await freePort());
  const host = (hostIndex: number) =>
    startScript(2, [
      "--nnodes",
      "2",
      "--node-rank",
      String(hostIndex),
      "--master-addr",
      "127.0.0.1",
      "--master-port",
      port,
    ]);
  const ready = connections(4);
  const hosts = [host(1), host(0)];
  await ready;
  for (const socket of sockets.values()) socket.write("end");
  expect(greetings.sort()).toEqual([
    "0 of 4, here 0, start 0",
    "1 of 4, here 1, start 0",
    "2 of 4, here 0, start 0",
    "3 of 4, here 1, start 0",
  ]);
  for (const { ended } of hosts) {
    const { status, stderr } = await ended;
    expect([status, stderr]).toEqual([0, expect.stringContaining("DUALPIPE_SECRET is not set")]);
  }
});

test("of two launchers with the same index one is told so, and the others go on", async () => {
  const port = String(await freePort());
  const options = ["--nnodes", "3", "--master-addr", "127.0.0.1", "--master-port", port];
  const host = (index: number) => startScript(1, [...options, "--node-rank", String(index)]);
  const ready = connections(3);
  const [first, ...seconds] = [host(0), host(1), host(1)];
  const refused = await Promise.race(seconds.map(({ ended }) => ended));
  expect(refused).toMatchObject({
    status: 1,
    stderr: expect.stringContaining("has a host 1 that answers; start this one with another --node-rank"),
  });
  const third = host(2);
  await ready;
  for (const socket of sockets.values()) socket.write("end");
  const ended = await Promise.all([first!, ...seconds, third].map((each) => each.ended));
  expect(ended.map(({ status }) => status).sort()).toEqual([0, 0, 0, 1]);
});

test.each([
  ["cpu", "1:1"],
  ["auto", "1"],
])("a script gets as many processes as torchrun would start for %s", async (word, hosts) => {
  const numProcesses = availableParallelism();
  const ready = connections(numProcesses);
  // No card is visible.
  const env = { PET_NPROC_PER_NODE: word, PET_NNODES: hosts, CUDA_VISIBLE_DEVICES: "" };
  const { ended } = startScript(undefined, [], env);
  await ready;
  for (const socket of sockets.values()) socket.write("end");
  expect((await ended).status).toBe(0);
  expect(greetings[0]).toContain(`of ${numProcesses}`);
});

test.each([
  ["fail", 7, "process 1 ended with exit status 7"],
  ["die", 3, "process 1 was killed by SIGKILL"],
])("when a process does %s, all are ended and the exit status says so", async (word, status, message) => {
  const { ended, allProcessesEnded } = await launch(3);
  sockets.get(1)!.write(word);
  await allProcessesEnded;
  const result = await ended;
  expect(result.status).toBe(status);
  expect(result.stderr).toContain(message);
});

test("all processes are restarted, as often as is allowed", async () => {
  const { ended } = await launch(2, ["--max-restarts", "2"]);
  for (const start of [1, 2]) {
    const first = sockets.get(0)!;
    const ready = connections(2);
    first.write("die");
    await ready;
    expect(greetings.sort()).toEqual([`0 of 2, here 0, start ${start}`, `1 of 2, here 1, start ${start}`]);
  }
  sockets.get(1)!.write("fail");
  const { status, stderr } = await ended;
  expect(status).toBe(7);
  expect(stderr).toContain("process 0 was killed by SIGKILL; restart 2 of 2");
  expect(stderr).toContain("process 1 ended with exit status 7; the run has ended");
});

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)("%s of the launcher ends all processes", async (signal, status) => {
  const { child, ended, allProcessesEnded } = await launch(2);
  child.kill(signal);
  await allProcessesEnded;
  expect((await ended).status).toBe(status);
});

test("no process is left when the launcher is killed", async () => {
  const { child, allProcessesEnded } = await launch(3);
  child.kill("SIGKILL");
  await allProcessesEnded;
});

test("variables that are empty are as if they were not set, so the hub stays on the loopback address", async () => {
  const empty = [
    "DUALPIPE_ADDRESS",
    "DUALPIPE_MEET_TIMEOUT",
    "PET_MASTER_ADDR",
    "PET_MASTER_PORT",
    "PET_NNODES",
  ];
  const { child, ended } = await launch(2, [], Object.fromEntries(empty.map((name) => [name, ""])));
  expect(listeningSockets([child.pid!])).toEqual([{ address: "127.0.0.1", port: expect.any(Number) }]);
  for (const socket of sockets.values()) socket.write("end");
  expect((await ended).status).toBe(0);
});

test.each([
  [["--nnodes", "2", "--master-addr", "", "x.js"], 2, "It must not be empty."],
  [
    ["--nnodes", "2", "x.js"],
    2,
    "with several hosts, all must know the address of host 0; got --nnodes 2 without --master-addr",
  ],
  [
    ["--nnodes", "2", "--node-rank", "2", "x.js"],
    2,
    "--node-rank must be less than --nnodes; got 2 with --nnodes 2",
  ],
  [["--max-restarts", "9", "none.yaml"], 2, "the program must be an existing file; there is no none.yaml"],
  [["--nproc-per-node", "none", "x.js"], 2, "must be a whole number of at least 1, or auto, gpu, cpu"],
  [["--nproc-per-node", "0", "x.js"], 2, "must be a whole number of at least 1, or auto, gpu, cpu"],
  [["--nproc-per-node", "gpu", SCRIPT], 2, "--nproc-per-node gpu needs a card; this host has none"],
  [["--nnodes", "1:4", "x.js"], 2, "A run cannot go on with fewer hosts"],
  [["--meet-timeout", "3000000", "x.js"], 2, "must be a whole number from 1 to 2000000"],
  [["--silence-timeout", "2147484", "x.js"], 2, "must be a whole number from 1 to 2000000"],
  [["--master-port", "65536", "x.js"], 2, "must be a whole number from 1 to 65535"],
])("%j is refused", async (args, status, message) => {
  const result = await startDualpipe(["launch", ...args]).ended;
  expect(result.status).toBe(status);
  expect(result.stderr).toContain(message);
});
