import { expect, it } from "vitest";
import { lower } from "../lower/lower.ts";
import { buildProgram } from "../schedules/registry.ts";
import { UNIT_COST } from "./cost.ts";
import { idleTimeOf } from "./idle-time.ts";
import { simulate } from "./simulate.ts";

it.each([0, 0.7])("finds in a timeline what the simulator counted, with a latency of %d", (latency) => {
  const program = lower(buildProgram("gpipe", { numRanks: 4, numMicroBatches: 6 }));
  // Whole computations: values leave when the timeline says that a computation ends.
  const simulation = simulate(program, { ...UNIT_COST, link: { latency } }, { wholeComputations: true });
  const { timeline, makespan, bubbleCauses } = simulation;
  for (const [rank, { work, dataWait, linkWait }] of idleTimeOf(timeline).entries()) {
    const { data, link, imbalance, tail } = bubbleCauses[rank]!;
    expect(work).toBeCloseTo(simulation.work[rank]!, 9);
    expect(linkWait).toBeCloseTo(link, 9);
    expect(makespan - work - linkWait - dataWait).toBeCloseTo(imbalance + tail + data - dataWait, 9);
    expect(dataWait).toBeGreaterThanOrEqual(data - 1e-9);
  }
});
