import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Addon } from "../native/addon.ts";
import { type AttemptMessage, ConnectionAttempts } from "./connection-attempts.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Process 0 of two, whose own connections always succeed, and what it sends. */
function leadAttempts(rendezvousTimeoutMs: number) {
  const processes = {
    connect: () => ({ store: 0, connected: Promise.resolve() }),
    disconnect: () => {},
  };
  const sent: AttemptMessage[] = [];
  const attempts = new ConnectionAttempts({
    addon: { processes } as unknown as Addon,
    layout: { process: 0, numProcesses: 2, ranksPerProcess: 1 },
    name: "test",
    address: "127.0.0.1",
    rendezvousTimeoutMs,
    heartbeatTimeoutMs: 1_000,
    send: (_to, message) => sent.push(message),
  });
  attempts.lead();
  return { attempts, sent, kinds: () => sent.map(({ kind }) => kind) };
}

test("an attempt that fails elsewhere is repeated with twice the time", async () => {
  const { attempts, sent, kinds } = leadAttempts(60_000);
  await vi.advanceTimersByTimeAsync(0);
  attempts.receive(1, { kind: "result", attempt: 0, problem: "a stranger took a place" });
  await vi.advanceTimersByTimeAsync(0);
  expect(sent).toMatchObject([
    { kind: "attempt", attempt: 0, timeoutMs: 5_000 },
    { kind: "attempt", attempt: 1, timeoutMs: 10_000 },
  ]);
  // The result of an earlier attempt does not count.
  attempts.receive(1, { kind: "result", attempt: 0, problem: null });
  await vi.advanceTimersByTimeAsync(0);
  expect(kinds()).toEqual(["attempt", "attempt"]);
  attempts.receive(1, { kind: "result", attempt: 1, problem: null });
  await attempts.connected;
  expect(kinds()).toEqual(["attempt", "attempt", "connected"]);
});

test("a process that never reports its result fails the attempt, and at last the rendezvous", async () => {
  const { attempts, kinds } = leadAttempts(1_000);
  const failed = expect(attempts.connected).rejects.toMatchObject({
    code: "RENDEZVOUS_FAILED",
    message: expect.stringContaining(
      "process 1 could not connect to the others in 1 attempt, though all had joined the run: it did not report its result within 6 s",
    ),
  });
  await vi.advanceTimersByTimeAsync(6_000);
  await failed;
  expect(kinds()).toEqual(["attempt", "failed"]);
});
