// The contract of a process group between ranks on cards: on one card when there is only one.
import { expect, test } from "vitest";
import { runRanks } from "../../src/launch/run-ranks.ts";
import { NUM_CONFORMANCE_RANKS } from "../ranks/conformance.ts";

test("messages between ranks on cards keep the contract of a process group", async () => {
  const program = new URL("../ranks/conformance-rank.ts", import.meta.url);
  const failures = await runRanks(program, {
    numRanks: NUM_CONFORMANCE_RANKS,
    device: "cuda",
    timeoutMs: 30_000,
  });
  expect(failures).toEqual(Array.from({ length: NUM_CONFORMANCE_RANKS }, () => ({})));
});
