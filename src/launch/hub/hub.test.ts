import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isAnything } from "../message-shapes.ts";
import { Hub } from "./hub.ts";
import { HubMember, type JoinOptions } from "./hub-member.ts";

const ADDRESS = "127.0.0.1";
const SECRET = "the run's secret";

let hub: Hub;
const joined: HubMember[] = [];
beforeEach(async () => {
  hub = await Hub.listen({ address: ADDRESS, port: 0, secret: SECRET, numMembers: 3 });
});
afterEach(() => {
  for (const member of joined.splice(0)) member.leave();
  hub.close();
});

/** What a member received, in order. */
class Inbox {
  readonly received: unknown[] = [];
  #wake: () => void = () => {};

  add(what: unknown): void {
    this.received.push(what);
    this.#wake();
  }

  async until(count: number): Promise<unknown[]> {
    while (this.received.length < count)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    return this.received;
  }
}

const inboxes = [0, 1, 2].map(() => new Inbox());
beforeEach(() => inboxes.splice(0, 3, new Inbox(), new Inbox(), new Inbox()));

async function join(member: number, options: Partial<JoinOptions> = {}): Promise<HubMember> {
  const own = await HubMember.join({
    locate: async () => ({ address: ADDRESS, port: hub.port, secret: SECRET }),
    noun: "process",
    member,
    numMembers: 3,
    run: "this run",
    rendezvousTimeoutMs: 20_000,
    heartbeatTimeoutMs: 20_000,
    isBody: isAnything,
    onMessage: (from, body) => inboxes[member]!.add([from, body]),
    onDisconnect: (gone, { kind }) => inboxes[member]!.add(`${kind}: ${gone}`),
    ...options,
  });
  joined.push(own);
  return own;
}

const everyone = () => Promise.all([0, 1, 2].map((member) => join(member)));

test("a join resolves only when all members have joined, and then messages arrive in order", async () => {
  let numJoined = 0;
  const joins = [2, 0].map((member) =>
    join(member).then((own) => {
      numJoined++;
      return own;
    }),
  );
  await expect(join(1, { run: "another run" })).rejects.toMatchObject({ code: "REFUSED" });
  expect(numJoined).toBe(0);
  const [two, zero, one] = await Promise.all([...joins, join(1)]);
  for (let i = 0; i < 100; i++) zero!.send(1, i);
  one!.send("others", { text: "ümlaut\n" });
  two!.send(1, "x".repeat(200_000));
  const atOne = await inboxes[1]!.until(101);
  expect(atOne.filter((message) => (message as [number])[0] === 0)).toEqual(
    Array.from({ length: 100 }, (_, i) => [0, i]),
  );
  expect(atOne).toContainEqual([2, "x".repeat(200_000)]);
  expect(await inboxes[0]!.until(1)).toEqual([[1, { text: "ümlaut\n" }]]);
  expect(await inboxes[2]!.until(1)).toEqual([[1, { text: "ümlaut\n" }]]);
});

test("a new session starts when all have left, and a member that joins early waits for it", async () => {
  const [zero, one, two] = await everyone();
  zero!.leave();
  const early = join(0);
  one!.leave();
  two!.leave();
  await Promise.all([early, join(1), join(2)]);
  expect(inboxes.map(({ received }) => received)).toEqual([[], [], []]);
});

test("a second member of a number is refused once the first has answered, in a session and before one", async () => {
  const refused = {
    code: "REFUSED",
    message: expect.stringMatching(
      /every process of a run must have a number of its own; the hub at .* has a process 1 that answers; start this one with another RANK/,
    ),
  };
  const first = join(1);
  const seconds = [join(1), join(1)];
  // Either of them may be the first to arrive.
  const [zero, two] = [join(0), join(2)];
  const outcomes = await Promise.allSettled([first, ...seconds]);
  expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected", "rejected"]);
  await Promise.all([zero, two]);
  await expect(join(1)).rejects.toMatchObject(refused);
});

/** A link between a member and the hub that can be cut, or go dead as if its cable was pulled. */
class Link {
  readonly #sockets: Socket[] = [];
  readonly #server = createServer((member) => {
    const to = connect(hub.port, ADDRESS);
    this.#sockets.push(member, to);
    for (const socket of [member, to]) socket.on("error", () => {});
    member.pipe(to).pipe(member);
  });

  async listen(): Promise<Link> {
    this.#server.listen(0, ADDRESS);
    await once(this.#server, "listening");
    return this;
  }

  readonly locate = async () => {
    const { port } = this.#server.address() as AddressInfo;
    return { address: ADDRESS, port, secret: SECRET };
  };

  goDead(): void {
    for (const socket of this.#sockets) socket.unpipe().pause();
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

test("the others are told of a member that disconnects, but not of one that leaves", async () => {
  const link = await new Link().listen();
  const [, one] = await Promise.all([join(0), join(1), join(2, { locate: link.locate })]);
  one!.leave();
  link.cut();
  expect(await inboxes[0]!.until(1)).toEqual(["closed: 2"]);
  expect(await inboxes[2]!.until(1)).toEqual(["closed: undefined"]);
  expect(inboxes[1]!.received).toEqual([]);
});

test("when a link goes dead both of its ends notice within the heartbeat timeout", async () => {
  const link = await new Link().listen();
  const times = { heartbeatTimeoutMs: 200 };
  await Promise.all([join(0), join(1), join(2, { locate: link.locate, ...times })]);
  link.goDead();
  expect(await inboxes[0]!.until(1)).toEqual(["no heartbeat: 2"]);
  expect(await inboxes[1]!.until(1)).toEqual(["no heartbeat: 2"]);
  expect(await inboxes[2]!.until(1)).toEqual(["no heartbeat: undefined"]);
  link.cut();
});

test("a member is told when the hub disconnects", async () => {
  await everyone();
  hub.close();
  expect(await inboxes[1]!.until(1)).toEqual(["closed: undefined"]);
});

test("a timeout names the members that did not join", async () => {
  const waiting = join(0, { rendezvousTimeoutMs: 300 });
  await Promise.all([
    expect(waiting).rejects.toMatchObject({
      code: "RENDEZVOUS_TIMEOUT",
      message: expect.stringMatching(
        /process 0 waited 0.3 s for all 3 processes of the run; process(es)? 1(, 2)? did not join; check that all were started/,
      ),
      wait: expect.objectContaining({ member: 0, numMembers: 3, waitedMs: 300 }),
    }),
    expect(join(2, { rendezvousTimeoutMs: 300 })).rejects.toMatchObject({ code: "RENDEZVOUS_TIMEOUT" }),
  ]);
  const { port } = hub;
  hub.close();
  const unanswered = {
    locate: async () => ({ address: ADDRESS, port, secret: SECRET }),
    rendezvousTimeoutMs: 200,
  };
  await expect(join(0, unanswered)).rejects.toThrow(
    /the hub at 127.0.0.1:\d+ does not answer: connect ECONNREFUSED/,
  );
});

test("a port where something else listens costs no more than the timeout", async () => {
  const dumb = createServer().listen(0, ADDRESS);
  await once(dumb, "listening");
  const { port } = dumb.address() as AddressInfo;
  const locate = async () => ({ address: ADDRESS, port, secret: SECRET });
  await expect(join(0, { locate, rendezvousTimeoutMs: 200 })).rejects.toThrow(
    "process 0 waited 0.2 s for all 3 processes of the run; the hub has not answered",
  );
  dumb.close();
});

test("a signal ends the wait", async () => {
  const controller = new AbortController();
  const waiting = join(0, { signal: controller.signal });
  controller.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
});

test("a wrong secret and a wrong number of members are refused by name", async () => {
  const locate = async () => ({ address: ADDRESS, port: hub.port, secret: "guessed" });
  await expect(join(0, { locate })).rejects.toMatchObject({
    code: "WRONG_SECRET",
    message: expect.stringContaining("set DUALPIPE_SECRET to the same text on every host"),
  });
  await expect(join(0, { numMembers: 4 })).rejects.toThrow(
    /process 0 was told 4, and the hub at 127.0.0.1:\d+ expects 3/,
  );
});

test("a port that is taken, and an address of another host, are explained", async () => {
  const options = { address: ADDRESS, port: hub.port, secret: SECRET, numMembers: 1 };
  await expect(Hub.listen(options)).rejects.toMatchObject({
    code: "ADDRESS_TAKEN",
    message: expect.stringContaining("another --node-rank or RANK if the other is the first of this run"),
  });
  await expect(Hub.listen({ ...options, address: "192.0.2.1", port: 0 })).rejects.toMatchObject({
    code: "ADDRESS_NOT_HERE",
    message: expect.stringContaining("another --node-rank or RANK if it is not the first"),
  });
});

describe("a stranger", () => {
  const strangers: Socket[] = [];
  afterEach(() => {
    for (const stranger of strangers.splice(0)) stranger.destroy();
  });

  async function stranger(sent: Uint8Array | string | undefined) {
    const socket = connect(hub.port, ADDRESS);
    strangers.push(socket);
    let numBytes = 0;
    socket.on("data", (data) => {
      numBytes += data.length;
    });
    socket.on("error", () => {});
    await once(socket, "connect");
    if (sent !== undefined) socket.write(sent);
    return { socket, numBytes: () => numBytes };
  }

  /** The beginning of a real handshake: a TLS 1.2 ClientHello that breaks off. */
  const HALF_A_HANDSHAKE = Buffer.from("16030100c8010000c40303", "hex");

  test.each([
    ["garbage", "\x00\xff\x13\x37 garbage \n\n\n"],
    ["a web request", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"],
    ["a request of PyTorch's TCPStore", Buffer.from([0, 5, 0, 0, 0, 0, 0, 0, 0])],
    ["half a handshake", HALF_A_HANDSHAKE],
    ["nothing", undefined],
  ])("that sends %s neither delays the members nor learns anything", async (_what, sent) => {
    const { socket, numBytes } = await stranger(sent);
    const [zero] = await everyone();
    zero!.send(1, "a message");
    expect(await inboxes[1]!.until(1)).toEqual([[0, "a message"]]);
    socket.end();
    if (!socket.closed) await once(socket, "close");
    // A stranger gets nothing but a TLS alert: the handshake failed.
    expect(numBytes()).toBeLessThanOrEqual(7);
  });
});
