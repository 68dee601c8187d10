import { once } from "node:events";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Hub } from "./hub.ts";
import { HubMember } from "./hub-member.ts";
import { connectSecurely } from "./secure-connection.ts";

const SECRET = "the run's secret";

let hub: Hub;
beforeEach(async () => {
  hub = await Hub.listen({ address: "127.0.0.1", port: 0, secret: SECRET, numMembers: 3, run: "this run" });
});
afterEach(() => hub.close());

const locationOf = ({ port }: Hub) => ({ address: "127.0.0.1", port, secret: SECRET });

const JOIN = '{"kind":"join","member":2,"numMembers":3,"run":"this run","heartbeatTimeoutMs":20000}';

/**
 * Sends lines as a client that knows the secret.
 * @param last The text of the answer after which it leaves; by default it leaves at once.
 * @returns The kinds of the answers, once the hub has closed.
 */
async function answersTo(lines: readonly string[], last = ""): Promise<string[]> {
  const socket = await connectSecurely(locationOf(hub), AbortSignal.timeout(20_000));
  let text = "";
  socket.setEncoding("utf8").on("data", (data: string) => {
    text += data;
  });
  socket.on("error", () => {});
  socket.write(lines.map((line) => `${line}\n`).join(""));
  while (!text.includes(last)) await once(socket, "data");
  socket.end();
  await once(socket, "close");
  return text.split("\n").flatMap((line) => (line === "" ? [] : (JSON.parse(line) as { kind: string }).kind));
}

test.each([
  ["null", ["null"]],
  ["no JSON", ["{"]],
  ["an endless nest of arrays", ["[".repeat(1_000_000)]],
  ["a join without its fields", ['{"kind":"join"}']],
  ["a member out of range", [JOIN.replace('"member":2', '"member":3')]],
  ["half a member", [JOIN.replace('"member":2', '"member":0.5')]],
  ["a heartbeat that never ends", [JOIN.replace("20000", "1e300")]],
  ["a message before it has joined", ['{"kind":"send","to":0,"body":"1"}']],
  ["the name of a method as a kind", ['{"kind":"constructor"}']],
])("who sends %s is told that the hub does not understand", async (_what, lines) => {
  expect(await answersTo(lines)).toEqual(["refused"]);
  expect(await answersTo([JOIN])).toEqual(["present"]);
});

test.each([
  ["null", "null"],
  ["another join", JOIN],
  ["an answer that was not asked for and another join", `{"kind":"pong"}\n${JOIN}`],
  ["a message before all are there", '{"kind":"send","to":0,"body":"1"}'],
])("a member that sends %s makes way for another one", async (_what, line) => {
  expect(await answersTo([JOIN, line])).toEqual(["present"]);
  expect(await answersTo([JOIN])).toEqual(["present"]);
});

test("a member takes the place of one of its number that does not answer, once its heartbeats are missed", async () => {
  const silent = await connectSecurely(locationOf(hub), AbortSignal.timeout(20_000));
  silent.on("error", () => {});
  silent.write(`${JOIN.replace("20000", "200")}\n`);
  const [answer] = await once(silent, "data");
  expect(String(answer)).toContain("present");
  expect(await answersTo([JOIN], "present")).toEqual(["present"]);
  silent.destroy();
});

test("a member that sends what a receiver does not know is gone for that receiver", async () => {
  const isKnown = (value: unknown): value is unknown => value === "known";
  const received: unknown[] = [];
  let goOn: () => void;
  const untilNext = () =>
    new Promise<void>((resolve) => {
      goOn = resolve;
    });
  const join = (member: number, onMessage: (from: number, body: unknown) => void) =>
    HubMember.join({
      locate: async () => locationOf(hub),
      noun: "process",
      member,
      numMembers: 3,
      run: "this run",
      rendezvousTimeoutMs: 20_000,
      heartbeatTimeoutMs: 20_000,
      isBody: isKnown,
      onMessage,
      onDisconnect: (gone, { kind }) => {
        received.push(`${kind}: ${gone}`);
        goOn();
      },
    });
  const hear = (from: number, body: unknown) => {
    received.push([from, body]);
    if (from === 1) goOn();
  };
  const [, one, two] = await Promise.all([join(0, hear), join(1, () => {}), join(2, () => {})]);
  const isGone = untilNext();
  for (const body of ["known", { known: false }, "known"]) two.send(0, body);
  await isGone;
  const isHeard = untilNext();
  two.send(0, "known");
  two.leave();
  one.send(0, "known");
  await isHeard;
  expect(received).toEqual([[2, "known"], "closed: 2", [1, "known"]]);
  one.leave();
});
