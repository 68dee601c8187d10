// DualPipe adapted to costs next to the fixed one: `npm run bench -- adapting [TRIALS]`.
//
// The adapted one holds no more micro-batches than the fixed one. Times are simulated as the engine runs, where values
// leave a pair or a B in its middle. "Work" is what the busiest rank computes in the adapted program.
import { readFileSync } from "node:fs";
import {
  adaptProgram,
  buildProgram,
  type CostModel,
  costOf,
  lower,
  parseProfile,
  peakActivations,
  simulate,
} from "../src/schedule/index.ts";

interface CostSet {
  readonly name: string;
  readonly numRanks: number;
  readonly numMicroBatches: number;
  readonly cost: CostModel;
}

const SIZES = { numRanks: 8, numMicroBatches: 20 };

/** Milliseconds, as bench/gpu/stage_costs.py measures them; the first stage has the embedding, the last the head. */
const ON_H100: CostModel = {
  F: [5.848, 6.448, 6.625, 25.973],
  I: [6.091, 6.852, 6.887, 20.233],
  W: [6.091, 4.88, 4.728, 16.851],
  link: { latency: 0.107 },
};

function profiled(name: string, file: string): CostSet {
  const profile = parseProfile(readFileSync(new URL(`../../bench/results/${file}`, import.meta.url), "utf8"));
  const { numRanks, numMicroBatches } = profile;
  return { name, numRanks, numMicroBatches, cost: costOf(profile) };
}

/** One value for each of the eight stages, 1 where nothing else is said. */
function stages(values: Readonly<Record<number, number>>): number[] {
  return Array.from({ length: SIZES.numRanks }, (_, stage) => values[stage] ?? 1);
}

/** The costs to which the schedule is adapted. */
function costSets(): CostSet[] {
  const unit: CostModel = { F: 1, I: 1, W: 1, link: { latency: 0 } };
  const ends = stages({ 0: 1.3, 7: 1.6 });
  const slow = stages({ 2: 1.4 });
  return [
    { name: "F = I = W, links take no time", ...SIZES, cost: unit },
    { name: "cheap link, 0.1", ...SIZES, cost: { ...unit, link: { latency: 0.1 } } },
    { name: "dear link, 1", ...SIZES, cost: { ...unit, link: { latency: 1 } } },
    { name: "embedding x 1.3, head x 1.6", ...SIZES, cost: { ...unit, F: ends, I: ends, W: ends } },
    { name: "a slow stage, x 1.4", ...SIZES, cost: { ...unit, F: slow, I: slow, W: slow } },
    { name: "W = 0.1, as with LoRA", ...SIZES, cost: { ...unit, W: 0.1 } },
    { name: "W = 2", ...SIZES, cost: { ...unit, W: 2 } },
    {
      name: "a pair takes 0.9 of its parts, link 0.3",
      ...SIZES,
      cost: { ...unit, pairShare: 0.9, link: { latency: 0.3 } },
    },
    // dualpipe train examples/gpt/config.yaml --profile, 16 steps, on two cores that other programs used too.
    profiled("profile of the example, four rank threads", "profile-example-cpu.json"),
    { name: "stages of a GPT on an H100", numRanks: 4, numMicroBatches: 16, cost: ON_H100 },
  ];
}

export async function main([trials = "600"]: readonly string[]): Promise<number> {
  console.log(
    "| costs | P x M | fixed | adapted | less time | micro-batches held | work |\n|---|---|---|---|---|---|---|",
  );
  let isNeverSlower = true;
  for (const { name, numRanks, numMicroBatches, cost } of costSets()) {
    const fixed = buildProgram("dualpipe", { numRanks, numMicroBatches });
    const before = simulate(lower(fixed), cost);
    const { program, simulation } = adaptProgram(fixed, { cost, numTrials: Number(trials) });
    const peaks = [fixed, program].map((each) => Math.max(...peakActivations(each)));
    const gain = 100 * (1 - simulation.makespan / before.makespan);
    isNeverSlower &&= gain >= 0 && peaks[1]! <= peaks[0]!;
    console.log(
      `| ${name} | ${numRanks} x ${numMicroBatches} | ${shown(before.makespan)} | ${shown(simulation.makespan)} | ` +
        `${gain.toFixed(2)} % | ${peaks.join(" and ")} | ${shown(Math.max(...simulation.work))} |`,
    );
  }
  return isNeverSlower ? 0 : 1;
}

function shown(value: number): string {
  return String(Number(value.toPrecision(4)));
}
