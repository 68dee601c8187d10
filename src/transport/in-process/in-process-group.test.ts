import { beforeAll, describe, expect, test } from "vitest";
import { failOnLeaks } from "../../../test/leak-guard.ts";
import { conformanceCases, NUM_CONFORMANCE_RANKS } from "../../../test/ranks/conformance.ts";
import { runRanks } from "../../launch/run-ranks.ts";
import { Runtime } from "../../tensor/runtime.ts";
import { InProcessGroup } from "./in-process-group.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);

describe("between the threads of one process", () => {
  let failures: Record<string, string>[] = [];

  beforeAll(async () => {
    const program = new URL("../../../test/ranks/conformance-rank.ts", import.meta.url);
    failures = await runRanks(program, { numRanks: NUM_CONFORMANCE_RANKS, timeoutMs: 10_000 });
  }, 60_000);

  test.each(conformanceCases)("%s", (name) => {
    expect(failures).toHaveLength(NUM_CONFORMANCE_RANKS);
    expect(failures.map((ofRank) => ofRank[name])).toEqual(failures.map(() => undefined));
  });
});

test("a receive gives up when nothing arrives in time, and gets the message when it is asked again", () => {
  const [first, second] = [0, 1].map(
    (rank) => new InProcessGroup(runtime, { name: "late", rank, size: 2, timeoutMs: 5 }),
  );
  const receipt = first!.receive(1, "gradients");
  expect(() => receipt.wait()).toThrow(
    expect.objectContaining({
      code: "TIMEOUT",
      peer: 1,
      kind: "gradients",
      waitedMs: 5,
      message: "dualpipe: rank 0 gave up waiting for gradients of rank 1: nothing arrived within 5 ms",
    }),
  );
  second!.send(0, "gradients", [null]);
  expect(receipt.take()).toEqual([null]);
});
