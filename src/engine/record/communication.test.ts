import fc from "fast-check";
import { expect, test } from "vitest";
import { communicationOf } from "./communication.ts";

const action = { kind: "F", stage: 0, microBatch: 0 } as const;
const LENGTH = 60;

const spans = fc.array(fc.tuple(fc.nat(LENGTH - 1), fc.nat(8)), { maxLength: 12 });

/** Computations one after another, from gaps and lengths. */
const computations = fc
  .array(fc.tuple(fc.nat(5), fc.integer({ min: 1, max: 8 })), { minLength: 1, maxLength: 8 })
  .map((steps) => {
    let nowMs = 0;
    return steps.map(([gap, length]) => {
      const startMs = nowMs + gap;
      nowMs = startMs + length;
      return { action, startMs, endMs: nowMs };
    });
  });

test("communication is what counting ms by ms finds", () => {
  fc.assert(
    fc.property(computations, spans, (events, copies) => {
      const transfers = copies.map(([startMs, length]) => ({
        startMs,
        endMs: startMs + length,
        numBytes: 1,
      }));
      const expected = { communicationMs: 0, exposedMs: 0, beforeFirstMs: 0, afterLastMs: 0 };
      for (let ms = 0; ms < 2 * LENGTH; ms++) {
        const isIn = ({ startMs, endMs }: { startMs: number; endMs: number }) => startMs <= ms && ms < endMs;
        if (!transfers.some(isIn)) continue;
        expected.communicationMs++;
        if (events.some(isIn)) continue;
        expected.exposedMs++;
        if (ms < events[0]!.startMs) expected.beforeFirstMs++;
        if (ms >= events.at(-1)!.endMs) expected.afterLastMs++;
      }
      expect(communicationOf({ rank: 0, events, transfers })).toEqual(expected);
    }),
  );
});

test("a rank that was sent nothing has none", () => {
  const none = { communicationMs: 0, exposedMs: 0, beforeFirstMs: 0, afterLastMs: 0 };
  expect(communicationOf({ rank: 0, events: [] })).toEqual(none);
});
