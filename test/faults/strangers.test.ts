// Strangers connect to every port that a run opens, and send whatever they like.
import { connect } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { listeningSockets } from "../gloo/listening-sockets.ts";
import { FaultRun } from "./fault-run.ts";
import { childrenOf } from "./processes.ts";

const faults = new FaultRun(20_261_127);

beforeAll(() => faults.trainUndisturbed());
afterAll(() => faults[Symbol.dispose]());

const MESSAGES: readonly (Uint8Array | undefined)[] = [
  undefined,
  Buffer.from("GET / HTTP/1.1\r\n\r\n"),
  Buffer.from("16030100c8010000c40303", "hex"),
  Buffer.from([0, 5, 0, 0, 0, 0, 0, 0, 0, 105, 110, 105, 116, 47]),
  Buffer.alloc(100, 0xa5),
  Buffer.alloc(30),
];

test("strangers neither crash nor stall a run, and get no byte but the alert that ends a failed handshake", async () => {
  const launcher = faults.launch("visited", ["--nproc-per-node", "4"], { resume: false });
  const launcherPid = launcher.child.pid!;
  const numVisits = new Map<number, number>();
  const received: Buffer[] = [];
  let [isOver, numAtGloo] = [false, 0];
  void launcher.closed.then(() => {
    isOver = true;
  });
  const visit = (port: number, address: string, sent: Uint8Array | undefined) => {
    const socket = connect(port, address);
    socket.on("error", () => {});
    socket.on("data", (data) => received.push(data));
    socket.on("connect", () => sent && socket.write(sent));
  };
  while (!isOver) {
    for (const { port, address } of listeningSockets([launcherPid])) {
      expect(address).toBe("127.0.0.1");
      const count = numVisits.get(port) ?? 0;
      numVisits.set(port, count + 1);
      // Each message once, and then connections that send nothing.
      if (count < 20) visit(port, address, MESSAGES[count]);
    }
    for (const { port, address } of listeningSockets(childrenOf(launcherPid))) {
      expect(address).toMatch(/^127\./);
      // Gloo's ports are open for milliseconds. A stranger that hits each attempt would keep the run from starting.
      if (numAtGloo++ < 3) visit(port, address, MESSAGES[numAtGloo]);
    }
    await new Promise(setImmediate);
  }
  expect(await launcher.closed, launcher.output()).toEqual([0, null]);
  await faults.expectAsUndisturbed("visited");
  expect(Math.max(...numVisits.values())).toBeGreaterThan(MESSAGES.length);
  // An alert is: alert, TLS 1.2, two bytes, fatal. Gloo sends the 48-byte header of its first message, and
  // nothing else unasked.
  for (const data of received) expect(data.toString("hex")).toMatch(/^15030[13]000202..$|^(30000000.{88})+$/);
  console.log(`20 strangers at ${numVisits.size} port of the launcher, 3 at ports of Gloo: survived`);
}, 120_000);
