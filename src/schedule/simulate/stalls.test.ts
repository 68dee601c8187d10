import { describe, expect, it } from "vitest";
import { lower } from "../lower/lower.ts";
import { buildProgram } from "../schedules/registry.ts";
import { UNIT_COST } from "./cost.ts";
import { simulate } from "./simulate.ts";

const program = lower(buildProgram("gpipe", { numRanks: 2, numMicroBatches: 2 }));
const startsOf = (rank: number, stalls: Parameters<typeof simulate>[2]) => [
  ...simulate(program, UNIT_COST, stalls).timeline.ranks[rank]!.startsMs,
];

describe("stalls", () => {
  it("a rank starts nothing in its stall, and what runs goes on", () => {
    expect(startsOf(0, {}).slice(0, 2)).toEqual([0, 1]);
    expect(startsOf(0, { stalls: [{ rank: 0, from: 0.5, duration: 3 }] }).slice(0, 2)).toEqual([0, 3.5]);
    expect(startsOf(1, { stalls: [{ rank: 0, from: 0.5, duration: 3 }] }).slice(0, 2)).toEqual([1, 4.5]);
  });

  it("a link's transfers start after its stall, in one direction", () => {
    const forth = { rank: 0, to: 1, from: 0, duration: 2.5 };
    expect(startsOf(1, { stalls: [forth] }).slice(0, 2)).toEqual([2.5, 3.5]);
    const back = { rank: 1, to: 0, from: 0, duration: 2.5 };
    expect(startsOf(1, { stalls: [back] }).slice(0, 2)).toEqual([1, 2]);
  });

  it("stalls follow each other, and count as waiting for data", () => {
    const stalls = [
      { rank: 0, from: 2, duration: 1 },
      { rank: 0, from: 0, duration: 2 },
    ];
    const { timeline, makespan, bubble, bubbleCauses } = simulate(program, UNIT_COST, { stalls });
    expect(timeline.ranks[0]!.startsMs[0]).toBe(3);
    for (const [rank, { data, link, imbalance, tail }] of bubbleCauses.entries())
      expect(data + link + imbalance + tail).toBeCloseTo(bubble[rank]!, 9);
    expect(makespan).toBe(simulate(program, UNIT_COST).makespan + 3);
  });

  it("a stall of no rank is refused with its values", () => {
    expect(() => startsOf(0, { stalls: [{ rank: 2, from: 0, duration: 1 }] })).toThrow(
      /under 2.*got rank 2 from 0/,
    );
    expect(() => startsOf(0, { stalls: [{ rank: 0, from: -1, duration: 1 }] })).toThrow(/at least 0/);
  });
});
