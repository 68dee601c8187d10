import { expect, test } from "vitest";
import { counted } from "./counted.ts";

test.each([
  [1, "rank", "1 rank"],
  [0, "rank", "0 ranks"],
  [2, "micro-batch", "2 micro-batches"],
  [3, "process", "3 processes"],
])("%i %s", (count, noun, words) => {
  expect(counted(count, noun)).toBe(words);
});
