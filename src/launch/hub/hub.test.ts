import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Hub } from "./hub.ts";
import { HubMember, type JoinOptions } from "./hub-member.ts";

const ADDRESS = "127.0.0.1";
const SECRET = "known to all";

let hub: Hub;
const joined: HubMember[] = [];
beforeEach(async () => {
  hub = await Hub.listen({ address: ADDRESS, port: 0, secret: SECRET, numMembers: 3 });
});
afterEach(() => {
  for (const member of joined.splice(0)) member.leave();
  hub.close();
});

/** What a member heard, in order. */
class Ear {
  readonly heard: unknown[] = [];
  #wake: () => void = () => {};

  hear(what: unknown): void {
    this.heard.push(what);
    this.#wake();
  }

  async until(count: number): Promise<unknown[]> {
    while (this.heard.length < count)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    return this.heard;
  }
}

const ears = [0, 1, 2].map(() => new Ear());
beforeEach(() => ears.splice(0, 3, new Ear(), new Ear(), new Ear()));

async function join(member: number, options: Partial<JoinOptions> = {}): Promise<HubMember> {
  const own = await HubMember.join({
    locate: async () => ({ address: ADDRESS, port: hub.port, secret: SECRET }),
    noun: "process",
    member,
    numMembers: 3,
    run: "this run",
    rendezvousTimeoutMs: 20_000,
    heartbeatTimeoutMs: 20_000,
    onMessage: (from, body) => ears[member]!.hear([from, body]),
    onLost: (lost, { isSilent }) => ears[member]!.hear(`${isSilent ? "silent" : "lost"} ${lost}`),
    ...options,
  });
  joined.push(own);
  return own;
}

const everyone = () => Promise.all([0, 1, 2].map((member) => join(member)));

test("nobody is let through before all are there, and then messages arrive in order", async () => {
  let numMet = 0;
  const meetings = [2, 0].map((member) =>
    join(member).then((own) => {
      numMet++;
      return own;
    }),
  );
  await expect(join(1, { run: "another run" })).rejects.toMatchObject({ code: "REFUSED" });
  expect(numMet).toBe(0);
  const [two, zero, one] = await Promise.all([...meetings, join(1)]);
  for (let i = 0; i < 100; i++) zero!.send(1, i);
  one!.send("others", { text: "ümlaut\n" });
  two!.send(1, "x".repeat(200_000));
  const atOne = await ears[1]!.until(101);
  expect(atOne.filter((message) => (message as [number])[0] === 0)).toEqual(
    Array.from({ length: 100 }, (_, i) => [0, i]),
  );
  expect(atOne).toContainEqual([2, "x".repeat(200_000)]);
  expect(await ears[0]!.until(1)).toEqual([[1, { text: "ümlaut\n" }]]);
  expect(await ears[2]!.until(1)).toEqual([[1, { text: "ümlaut\n" }]]);
});

test("when all have left they may meet again, and whoever comes early waits for that", async () => {
  const [zero, one, two] = await everyone();
  zero!.leave();
  const early = join(0);
  one!.leave();
  two!.leave();
  await Promise.all([early, join(1), join(2)]);
  expect(ears.map(({ heard }) => heard)).toEqual([[], [], []]);
});

/** A link between a member and the hub that can be cut, or go dead as when a cable is pulled. */
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

test("a member that is gone without a word is told of, and one that leaves is not", async () => {
  const link = await new Link().listen();
  const [, one] = await Promise.all([join(0), join(1), join(2, { locate: link.locate })]);
  one!.leave();
  link.cut();
  expect(await ears[0]!.until(1)).toEqual(["lost 2"]);
  expect(await ears[2]!.until(1)).toEqual(["lost undefined"]);
  expect(ears[1]!.heard).toEqual([]);
});

test("when a link goes dead both of its ends notice in their time", async () => {
  const link = await new Link().listen();
  const times = { heartbeatTimeoutMs: 200 };
  await Promise.all([join(0), join(1), join(2, { locate: link.locate, ...times })]);
  link.goDead();
  expect(await ears[0]!.until(1)).toEqual(["silent 2"]);
  expect(await ears[1]!.until(1)).toEqual(["silent 2"]);
  expect(await ears[2]!.until(1)).toEqual(["silent undefined"]);
  link.cut();
});

test("a member is told when the hub is gone", async () => {
  await everyone();
  hub.close();
  expect(await ears[1]!.until(1)).toEqual(["lost undefined"]);
});

test("who does not come is named", async () => {
  const waiting = join(0, { rendezvousTimeoutMs: 300 });
  await Promise.all([
    expect(waiting).rejects.toMatchObject({
      code: "RENDEZVOUS_TIMEOUT",
      message: expect.stringMatching(
        /process 0 waited 0.3 s for all of 3; only these came: process 0(, 2)?; see whether all were started/,
      ),
    }),
    expect(join(2, { rendezvousTimeoutMs: 300 })).rejects.toMatchObject({ code: "RENDEZVOUS_TIMEOUT" }),
  ]);
  const { port } = hub;
  hub.close();
  const nobody = {
    locate: async () => ({ address: ADDRESS, port, secret: SECRET }),
    rendezvousTimeoutMs: 200,
  };
  await expect(join(0, nobody)).rejects.toThrow(/nobody answers at 127.0.0.1:\d+: connect ECONNREFUSED/);
});

test("where something listens that is no hub, nobody is waited for longer than for others", async () => {
  const dumb = createServer().listen(0, ADDRESS);
  await once(dumb, "listening");
  const { port } = dumb.address() as AddressInfo;
  const locate = async () => ({ address: ADDRESS, port, secret: SECRET });
  await expect(join(0, { locate, rendezvousTimeoutMs: 200 })).rejects.toThrow(
    "process 0 waited 0.2 s for all of 3; nobody has answered",
  );
  dumb.close();
});

test("a signal ends the waiting", async () => {
  const controller = new AbortController();
  const waiting = join(0, { signal: controller.signal });
  controller.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
});

test("who has another secret, or counts otherwise, is told so", async () => {
  const locate = async () => ({ address: ADDRESS, port: hub.port, secret: "guessed" });
  await expect(join(0, { locate })).rejects.toMatchObject({
    code: "WRONG_SECRET",
    message: expect.stringContaining("set DUALPIPE_SECRET alike everywhere"),
  });
  await expect(join(0, { numMembers: 4 })).rejects.toThrow("3 are to meet here, not 4");
});

test("a port that is taken, and an address of another host, are explained", async () => {
  const options = { address: ADDRESS, port: hub.port, secret: SECRET, numMembers: 1 };
  await expect(Hub.listen(options)).rejects.toMatchObject({ code: "ADDRESS_TAKEN" });
  await expect(Hub.listen({ ...options, address: "192.0.2.1", port: 0 })).rejects.toMatchObject({
    code: "ADDRESS_NOT_HERE",
  });
});

describe("a stranger", () => {
  const strangers: Socket[] = [];
  afterEach(() => {
    for (const stranger of strangers.splice(0)) stranger.destroy();
  });

  async function stranger(said: Uint8Array | string | undefined) {
    const socket = connect(hub.port, ADDRESS);
    strangers.push(socket);
    let numBytes = 0;
    socket.on("data", (data) => {
      numBytes += data.length;
    });
    socket.on("error", () => {});
    await once(socket, "connect");
    if (said !== undefined) socket.write(said);
    return { socket, numBytes: () => numBytes };
  }

  /** The beginning of a real handshake: a TLS 1.2 ClientHello that breaks off. */
  const HALF_A_HANDSHAKE = Buffer.from("16030100c8010000c40303", "hex");

  test.each([
    ["garbage", "\x00\xff\x13\x37 garbage \n\n\n"],
    ["a web request", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"],
    ["what c10d's store understands", Buffer.from([0, 5, 0, 0, 0, 0, 0, 0, 0])],
    ["half a handshake", HALF_A_HANDSHAKE],
    ["nothing", undefined],
  ])("who says %s neither keeps the members from meeting nor hears of them", async (_what, said) => {
    const { socket, numBytes } = await stranger(said);
    const [zero] = await everyone();
    zero!.send(1, "among us");
    expect(await ears[1]!.until(1)).toEqual([[0, "among us"]]);
    socket.end();
    if (!socket.closed) await once(socket, "close");
    // A TLS alert, which says that the greeting was not understood, is all that anybody gets.
    expect(numBytes()).toBeLessThanOrEqual(7);
  });
});
