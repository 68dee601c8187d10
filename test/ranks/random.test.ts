import { expect, test } from "vitest";
import { runRanks } from "../../src/launch/run-ranks.ts";

interface Drawn {
  readonly numbers: number[];
  readonly weights: number[][];
}

const program = new URL("./random-rank.ts", import.meta.url);
const draw = (seed?: number) => runRanks<Drawn>(program, { numRanks: 2, seed });

test("each rank draws numbers of its own, a run with the same seed the same, and holders of a stage agree", async () => {
  const [first, again, other] = [await draw(), await draw(0), await draw(1)];
  expect(first[0]!.numbers).not.toEqual(first[1]!.numbers);
  expect(again).toEqual(first);
  const streams = [...first, ...other].map(({ numbers }) => String(numbers));
  expect(new Set(streams).size).toBe(4);
  expect(first[0]!.weights).toEqual(first[1]!.weights);
  expect(first[0]!.weights[0]).not.toEqual(first[0]!.weights[1]);
});
