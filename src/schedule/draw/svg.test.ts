import { expect, test } from "vitest";
import { lower } from "../lower/lower.ts";
import { buildProgram } from "../schedules/registry.ts";
import { UNIT_COST } from "../simulate/cost.ts";
import { simulate } from "../simulate/simulate.ts";
import { timelineSvg } from "./svg.ts";

const { timeline } = simulate(
  lower(buildProgram("dualpipe", { numRanks: 2, numMicroBatches: 4 })),
  UNIT_COST,
);

test("a chart has a bar for each computation, two and a frame for a pair, and a legend", () => {
  const svg = timelineSvg(timeline);
  // Three F, two B, a pair, an I and a W on each of two ranks; the pair is an F and a B.
  expect(svg.match(/<g><title>/g)).toHaveLength(2 * 9);
  expect(svg.match(/fill="none"/g)).toHaveLength(2 + 1);
  for (const text of ["F forward", "I backward for inputs", "W backward for weights", "B both backwards"])
    expect(svg).toContain(`>${text}</text>`);
});

test("the name of a file stands in a chart as text", () => {
  expect(timelineSvg({ ...timeline, schedule: "a<b & c" })).toContain(">a&lt;b &amp; c on 2 ranks</title>");
});

const drawn = (schedule: string, numRanks: number, numMicroBatches: number, options = {}) =>
  timelineSvg(
    simulate(lower(buildProgram(schedule, { numRanks, numMicroBatches })), UNIT_COST).timeline,
    options,
  );
const labelsOf = (svg: string) =>
  [...svg.matchAll(/text-anchor="middle">([\d·]+)<\/text><\/g>/g)].map(([, label]) => label);

test("all bars have their micro-batch, or none has, where a chart is too narrow", () => {
  expect(labelsOf(drawn("dualpipe", 8, 20))).toHaveLength(8 * 20 * 2 + 8 * countOfSplit(8));
  expect(labelsOf(drawn("dualpipe", 16, 64))).toEqual([]);
  expect(labelsOf(drawn("dualpipe", 16, 64, { width: 4000 })).length).toBeGreaterThan(16 * 64 * 2);
});

/** The backwards of a rank that are split into I and W, over all ranks, by rank. */
function countOfSplit(numRanks: number): number {
  const { ranks } = buildProgram("dualpipe", { numRanks, numMicroBatches: 20 });
  return ranks.flatMap((actions) => Array.from(actions)).filter(({ kind }) => kind === "W").length / numRanks;
}

test("directions have shades, rows their stages, and the axis ticks", () => {
  const svg = drawn("dualpipev", 2, 4);
  expect(svg).toContain(">rank 1 ↓1 ↑2</text>");
  expect(svg).toContain('fill="#fae0a8"');
  expect(svg).toContain(">lighter: from last rank to first</text>");
  expect(svg).toMatch(/text-anchor="middle">4<\/text>\n/);
  const plain = drawn("1f1b", 2, 4);
  expect(plain).toContain(">rank 1</text>");
  expect(plain).not.toContain("lighter");
  expect(labelsOf(drawn("interleaved", 2, 4))).toContain("2·3");
});
