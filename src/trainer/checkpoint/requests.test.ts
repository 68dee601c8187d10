import { expect, test, vi } from "vitest";
import { CheckpointRequests, RequestsOfRank } from "./requests.ts";

test("a request is heard once by a run that goes on, and by no other", () => {
  const requests = new CheckpointRequests();
  const rank = new RequestsOfRank(requests.memory);
  expect(requests.request("goOn")).toBe(false);
  expect(rank.take()).toBe("none");
  requests.isOpen = true;
  expect(requests.request("goOn")).toBe(true);
  expect(requests.request("goOn")).toBe(true);
  expect([rank.take(), rank.take()]).toEqual(["goOn", "none"]);
  requests.request("stop");
  expect([rank.take(), rank.take()]).toEqual(["stop", "none"]);
});

test("a rank waits with a checkpoint until the one before is written", () => {
  const requests = new CheckpointRequests();
  const rank = new RequestsOfRank(requests.memory);
  const events: string[] = [];
  const wait = vi.spyOn(Atomics, "wait").mockImplementation(() => {
    events.push("waits");
    requests.written();
    return "ok";
  });
  try {
    for (const turn of [1, 2, 3]) {
      rank.waitForTurn();
      events.push(`sends ${turn}`);
    }
    requests.written();
    rank.waitForTurn();
    events.push("sends 4");
  } finally {
    wait.mockRestore();
  }
  expect(events).toEqual(["sends 1", "waits", "sends 2", "waits", "sends 3", "sends 4"]);
});
