import { expect, test } from "vitest";
import { bubbleOf, stepUseOf } from "./step-use.ts";

const action = { kind: "F", stage: 0, microBatch: 0 } as const;
const trackOf = (...spans: (readonly [number, number])[]) => ({
  rank: 0,
  events: spans.map(([startMs, endMs]) => ({ action, startMs, endMs })),
});

test("a bubble is what is not computed until the last rank has ended", () => {
  const uses = [stepUseOf(trackOf([100, 104], [106, 108]), 100), stepUseOf(trackOf([102, 110]), 100)];
  expect(uses).toEqual([
    { workMs: 6, spanMs: 8 },
    { workMs: 8, spanMs: 10 },
  ]);
  expect(bubbleOf(uses)).toBeCloseTo(1 - 14 / 20, 12);
});

test("a step without computations has no bubble", () => {
  expect(bubbleOf([stepUseOf(trackOf(), 5)])).toBe(0);
});
