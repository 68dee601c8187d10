import fc from "fast-check";
import { expect, test } from "vitest";
import { lower, type ScheduleDefinition, schedules, simulate } from "../index.ts";
import { nearestAllowed } from "../program/sizes.ts";
import { peakActivationBytes } from "./activation-bytes.ts";
import { figuresOfStep } from "./long-step.ts";
import type { StageShape } from "./model-cost.ts";

/** Stages that differ as those of a model do: by whole layers, by anything, or not at all. */
const time = fc.oneof(
  fc.constant(1),
  fc.integer({ min: 1, max: 4 }),
  fc.double({ min: 0.9, max: 1.1, noNaN: true }),
);

const steps = fc
  .record({
    definition: fc.constantFrom<ScheduleDefinition>(...schedules),
    numRanks: fc.integer({ min: 1, max: 4 }).map((half) => 2 * half),
    perRank: fc.integer({ min: 9, max: 60 }),
    times: fc.array(fc.record({ F: time, I: time, W: time, kept: fc.integer({ min: 1, max: 9 }) }), {
      minLength: 16,
      maxLength: 16,
    }),
    latency: fc.constantFrom(0, 0.05, 0.7),
    transfer: fc.constantFrom(0, 0.1, 2, 9),
    pairShare: fc.constantFrom(1, 0.8),
  })
  .map(({ definition, numRanks, perRank, times, latency, transfer, pairShare }) => {
    const sizes = {
      numRanks,
      numMicroBatches: nearestAllowed(definition.constraints.microBatches, perRank * numRanks + 1, numRanks),
      stagesPerRank: definition.constraints.stagesPerRank.atLeast,
    };
    const ofStages = times.slice(0, definition.placement(sizes).numStages);
    const stages = ofStages.map(({ kept }) => ({ activationBytes: kept, workspaceBytes: 0 }) as StageShape);
    const cost = {
      F: ofStages.map(({ F }) => F),
      I: ofStages.map(({ I }) => I),
      W: ofStages.map(({ W }) => W),
      pairShare,
      link: { latency, bandwidth: 1 },
      activationBytes: transfer,
    };
    return { definition, sizes, stages, cost };
  });

test("the figures of a step are those of its simulation, whatever its stages and links cost", () => {
  fc.assert(
    fc.property(steps, ({ definition, sizes, stages, cost }) => {
      const program = definition.generate(sizes);
      const { makespan, work } = simulate(lower(program), cost);
      const figures = figuresOfStep(definition, sizes, cost, stages);
      expect(figures.seconds / makespan).toBeCloseTo(1, 6);
      const busy = work.reduce((sum, each) => sum + each, 0) / sizes.numRanks;
      expect(figures.busySeconds / busy).toBeCloseTo(1, 9);
      expect(figures.activationBytes).toEqual(peakActivationBytes(program, stages));
    }),
    { numRuns: 300 },
  );
});
