import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import {
  findSchedule,
  lower,
  memoryOverTime,
  type PlanRequest,
  parseModelConfig,
  plan,
  plannedStep,
  simulate,
} from "../../src/schedule/index.ts";
import { secondCopyBytes } from "../../src/schedule/plan/candidate.ts";
import { requestOf, withModel } from "../../src/studio/plan/plan-settings.ts";
import { keyOfRun, settingsOfRun } from "../../src/studio/plan/planned-settings.ts";

const model = parseModelConfig(
  JSON.stringify({
    ...{
      model_type: "mixtral",
      hidden_size: 1024,
      num_hidden_layers: 8,
      num_attention_heads: 16,
      num_key_value_heads: 16,
    },
    ...{ intermediate_size: 4096, vocab_size: 32000, num_local_experts: 8, num_experts_per_tok: 2 },
  }),
);
const request: PlanRequest = {
  ...{ model, sequenceLength: 1024, globalBatch: 16, numDevices: 8 },
  device: {
    ...{ peakFlops: 989e12, efficiency: 0.5, halfRows: 150, memoryBytes: 80e9, allReduceBandwidth: 50e9 },
    link: { latency: 1e-6, bandwidth: 200e9 },
  },
};
const { candidates } = plan(request);
const spread = candidates.filter(
  ({ expertParallel = 1, schedule }) => expertParallel > 1 && schedule !== "searched",
);

it("experts are spread over numbers of replicas that divide them", () => {
  expect(new Set(spread.map(({ expertParallel }) => expertParallel))).toEqual(new Set([2, 4, 8]));
  for (const { expertParallel, numReplicas } of spread) expect(numReplicas % expertParallel!).toBe(0);
});

it("a device holds fewer parameters the more devices share the experts, also counting second copies", () => {
  for (const run of spread) {
    const key = ({ schedule, numRanks, stagesPerRank, microBatchSize, recompute }: typeof run) =>
      [schedule, numRanks, stagesPerRank, microBatchSize, recompute].join();
    const whole = candidates.find((other) => other.expertParallel === undefined && key(other) === key(run))!;
    expect(run.parameterBytes).toBeLessThan(whole.parameterBytes);
    const { length } = findSchedule(run.schedule).placement(run).rankOfStage;
    const copies = secondCopyBytes(run, length);
    expect(copies > 0).toBe(length > 1);
    if (run.layerCounts.join() === whole.layerCounts.join())
      expect(copies).toBeLessThanOrEqual(secondCopyBytes(whole, length));
  }
});

it("an optimizer's state and an all-reduce of experts are shared by the fewer devices that hold the same ones", () => {
  const alone = spread.filter(({ numRanks, stagesPerRank }) => numRanks === 1 && stagesPerRank === 1);
  expect(alone.length).toBeGreaterThan(0);
  const experts = 8 * 8 * 3 * 1024 * 4096;
  const others = 8 * (4 * 1024 * 1024 + 8 * 1024) + 2 * 1024 * 32000;
  for (const { expertParallel, parameterBytes, allReduceSeconds } of alone) {
    const [held, copies] = [experts / expertParallel!, 8 / expertParallel!];
    expect(parameterBytes / (others * (6 + 12 / 8) + held * (6 + 12 / copies))).toBeCloseTo(1, 9);
    const ring = (count: number, devices: number) => ((2 * (devices - 1)) / devices) * ((4 * count) / 50e9);
    expect(allReduceSeconds).toBeCloseTo(ring(others, 8) + ring(held, copies), 9);
  }
});

it("a run with experts is simulated to the same time and memory as planned", () => {
  const few = spread.filter((run) => run.numMicroBatches <= 4 * run.numRanks);
  expect(few.length).toBeGreaterThan(20);
  for (const run of few) {
    const { cost, memory } = plannedStep(request, run);
    const program = findSchedule(run.schedule).generate(run);
    const { makespan, timeline } = simulate(lower(program), cost);
    expect(makespan / (run.stepSeconds - run.allReduceSeconds)).toBeCloseTo(1, 9);
    const peaks = memoryOverTime(timeline, program.placement, memory).map(({ peak }) => peak);
    expect(Math.max(...peaks) / run.peakBytes).toBeCloseTo(1, 9);
  }
});

it("the studio keeps a model with experts in its fields, and runs apart by their experts", () => {
  const rows: readonly { config: object }[] = JSON.parse(
    readFileSync(new URL("./golden/models.json", import.meta.url), "utf8"),
  );
  for (const { config } of rows) {
    const { counts: _, ...shape } = parseModelConfig(JSON.stringify(config));
    expect(requestOf(withModel({}, shape)).model).toEqual(shape);
  }
  expect(new Set(candidates.map(keyOfRun)).size).toBe(candidates.length);
  expect(settingsOfRun(request, spread[0]!).costs.FB).toBeDefined();
});
