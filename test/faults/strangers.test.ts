// Strangers connect to every port that a run opens, whenever it does, and say what they like.
import { connect } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { listeningSockets } from "../gloo/listening-sockets.ts";
import { FaultRun } from "./fault-run.ts";
import { childrenOf } from "./processes.ts";

const faults = new FaultRun(20_261_127);

beforeAll(() => faults.trainUndisturbed());
afterAll(() => faults[Symbol.dispose]());

const SAYINGS: readonly (Uint8Array | undefined)[] = [
  undefined,
  Buffer.from("GET / HTTP/1.1\r\n\r\n"),
  Buffer.from("16030100c8010000c40303", "hex"),
  Buffer.from([0, 5, 0, 0, 0, 0, 0, 0, 0, 105, 110, 105, 116, 47]),
  Buffer.alloc(100, 0xa5),
  Buffer.alloc(30),
];

test("they neither crash nor stall it, and get no byte but the alert that ends a failed handshake", async () => {
  const launcher = faults.launch("visited", ["--nproc-per-node", "4"], { resume: false });
  const launcherPid = launcher.child.pid!;
  const numVisits = new Map<number, number>();
  const heard: Buffer[] = [];
  let [isOver, numAtGloo] = [false, 0];
  void launcher.closed.then(() => {
    isOver = true;
  });
  const visit = (port: number, address: string, said: Uint8Array | undefined) => {
    const socket = connect(port, address);
    socket.on("error", () => {});
    socket.on("data", (data) => heard.push(data));
    socket.on("connect", () => said && socket.write(said));
  };
  while (!isOver) {
    for (const { port, address } of listeningSockets([launcherPid])) {
      expect(address).toBe("127.0.0.1");
      const count = numVisits.get(port) ?? 0;
      numVisits.set(port, count + 1);
      // All that they can say, and then silence.
      if (count < 20) visit(port, address, SAYINGS[count]);
    }
    for (const { port, address } of listeningSockets(childrenOf(launcherPid))) {
      expect(address).toMatch(/^127\./);
      // Whoever is there in each of the few milliseconds in which Gloo's ports are open keeps the run from starting.
      if (numAtGloo++ < 3) visit(port, address, SAYINGS[numAtGloo]);
    }
    await new Promise(setImmediate);
  }
  expect(await launcher.closed, launcher.output()).toEqual([0, null]);
  await faults.expectAsUndisturbed("visited");
  expect(Math.max(...numVisits.values())).toBeGreaterThan(SAYINGS.length);
  // Alert, TLS 1.2, two bytes, fatal. Gloo announces a message by 48 bytes, and sends none of it unasked.
  for (const data of heard) expect(data.toString("hex")).toMatch(/^15030[13]000202..$|^(30000000.{88})+$/);
  console.log(`20 strangers at ${numVisits.size} port of the launcher, 3 at ports of Gloo: survived`);
}, 120_000);
