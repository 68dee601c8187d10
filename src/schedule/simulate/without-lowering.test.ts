import fc from "fast-check";
import { expect, it } from "vitest";
import { lower } from "../lower/lower.ts";
import { nearestAllowed } from "../program/sizes.ts";
import { buildProgram, schedules } from "../schedules/registry.ts";
import { simulate } from "./simulate.ts";

const cost = fc.record({
  F: fc.integer({ min: 2, max: 9 }),
  I: fc.integer({ min: 2, max: 9 }),
  W: fc.integer({ min: 2, max: 9 }),
  link: fc.record({ latency: fc.constantFrom(0, 0.25, 1, 2) }),
});

it.each(schedules)(
  "without lowering, $name has the times of its lowered program",
  ({ name, constraints }) => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 30 }),
        fc.boolean(),
        cost,
        (p, m, whole, costs) => {
          const numRanks = nearestAllowed(constraints.ranks, p, p);
          const numMicroBatches = nearestAllowed(constraints.microBatches, m, numRanks);
          const program = buildProgram(name, { numRanks, numMicroBatches });
          const options = { wholeComputations: whole };
          const { timeline, bubbleCauses } = simulate(program, costs, { ...options, withoutLowering: true });
          const lowered = simulate(lower(program), costs, options);
          expect(timeline.ranks.map(({ startsMs }) => startsMs)).toEqual(
            lowered.timeline.ranks.map(({ startsMs }) => startsMs),
          );
          expect(timeline.ranks.map(({ endsMs }) => endsMs)).toEqual(
            lowered.timeline.ranks.map(({ endsMs }) => endsMs),
          );
          expect(bubbleCauses).toEqual(lowered.bubbleCauses);
        },
      ),
    );
  },
);
