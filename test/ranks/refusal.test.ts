import { expect, test } from "vitest";
import { runRanks } from "../../src/launch/run-ranks.ts";

test("a step that one rank refuses ends on the others, and the step before it goes on to its end", async () => {
  const outcomes = await runRanks(new URL("./refusing-rank.ts", import.meta.url), { numRanks: 2 });
  expect(outcomes).toEqual([
    ["good", "ABORTED", "good"],
    ["good", "INVALID_SIZES", "good"],
  ]);
});

test("labels with another number of rows than the inputs on another rank are refused", async () => {
  const outcomes = await runRanks<string[]>(new URL("./rows-rank.ts", import.meta.url), {
    numRanks: 2,
    data: [8, 4, 16, 8],
  });
  const refused = (numRows: number) =>
    `dualpipe: rank 1: labels: they have ${numRows} rows, and the inputs of the same micro-batches, on another rank, 8`;
  expect(outcomes[1]).toEqual([
    "good",
    expect.stringContaining(refused(4)),
    expect.stringContaining(refused(16)),
    "good",
  ]);
  expect(outcomes[0]!.map((each) => each.split(":")[0])).toEqual(["good", "dualpipe", "dualpipe", "good"]);
});
