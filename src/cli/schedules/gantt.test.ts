import { stripVTControlCharacters } from "node:util";
import { describe, expect, test } from "vitest";
import { buildProgram, lower, parseCost, simulate, UNIT_COST } from "../../schedule/index.ts";
import { gantt } from "./gantt.ts";

function linesOf(
  schedule: string,
  numRanks: number,
  numMicroBatches: number,
  maxWidth = 2000,
  cost = UNIT_COST,
) {
  const { timeline } = simulate(lower(buildProgram(schedule, { numRanks, numMicroBatches })), cost, {
    wholeComputations: true,
  });
  const text = stripVTControlCharacters(gantt(timeline, { maxWidth, maxRanks: 64 }));
  return text.split("\n");
}

test("a micro-batch that passes a rank twice is named with its stage, and the rank with its directions", () => {
  const lines = linesOf("dualpipev", 4, 8);
  expect(lines[3]).toMatch(/^rank 3 ↓3 ↑4 {2}·+3F0 4F0 3F1 4F1 /);
  expect(lines.at(-1)).toBe(
    "the stages of a rank: ↓ from the first rank to the last, ↑ from the last to the first",
  );
  expect(linesOf("dualpipe", 4, 8)[3]).toMatch(/^rank 3 ↓3 ↑0 {2}0F4 0F5 0F6 3F0 /);
  expect(linesOf("interleaved", 2, 4)[1]).toMatch(/^rank 1 ↓1,3 {2}/);
});

test("a rank with one stage needs no stage in its names", () => {
  const lines = linesOf("1f1b", 2, 2);
  expect(lines.slice(0, 2)).toEqual([
    "rank 0  F0 F1 ······B0─── ···B1───",
    "rank 1  ···F0 B0─── F1 B1─── ······",
  ]);
  expect(lines[2]).toMatch(/^ {8}\|0 .*\|5/);
  expect(lines.slice(3)).toEqual([
    "B1: both backwards, micro-batch 1; · is idle",
    "F forward, B both backwards",
    "each rank has the stage of its own number",
  ]);
});

test("a pair is joined", () => {
  expect(linesOf("dualpipe", 2, 4).slice(0, 2).join()).toMatch(/\dF\d\+\dB\d/);
});

describe.each([
  ["1f1b", 2, 2],
  ["dualpipe", 4, 8],
  ["dualpipe", 16, 64],
  ["zbv", 3, 7],
  ["interleaved", 4, 12],
])("%s with %i ranks and %i micro-batches", (schedule, numRanks, numMicroBatches) => {
  test.each([40, 80, 120, 200, 2000])("names all computations or none, in %i columns", (width) => {
    const costs = [UNIT_COST, parseCost("F=1,I=0.7,W=0.2,FB=1.4"), parseCost("F=3,I=3,W=0")];
    for (const cost of costs) {
      const lines = linesOf(schedule, numRanks, numMicroBatches, width, cost);
      expect(lines.filter((line) => line !== line.trimEnd())).toEqual([]);
      const rows = lines.slice(0, numRanks + 1);
      for (const row of rows) expect(row.length).toBeLessThanOrEqual(width);
      const chart = rows.slice(0, numRanks).map((row) => row.replace(/^rank \d+( [↓↑][\d,]+)* +/, ""));
      const names = chart.join(" ").match(/\d*[FIWB]\d+/g) ?? [];
      const { ranks } = buildProgram(schedule, { numRanks, numMicroBatches });
      const all = ranks
        .flatMap((actions) => Array.from(actions))
        .flatMap((action) => (action.kind === "OVERLAP_F_B" ? [1, 1] : [1]));
      const numShort =
        cost.W === 0
          ? ranks.flatMap((actions) => Array.from(actions)).filter(({ kind }) => kind === "W").length
          : 0;
      expect([0, all.length - numShort]).toContain(names.length);
      if (names.length === 0) expect(chart.join("")).toMatch(/^[FIWBfiwb·]+$/);
    }
  });
});

test("without room for names the whole step is there, in small letters on the way back", () => {
  const lines = linesOf("dualpipev", 4, 64, 80);
  const row = lines[3]!.replace(/^rank 3 ↓3 ↑4 {2}/, "");
  expect(row).toHaveLength(66);
  // Two forwards and two backwards of two units repeat every six, in columns of six.
  const count = (letter: string) => row.split(letter).length - 1;
  for (const letter of "Ff") expect(count(letter)).toBeGreaterThanOrEqual(9);
  for (const letter of "Bb") expect(count(letter)).toBeGreaterThanOrEqual(18);
  expect(row.slice(30, 36)).toMatch(/[FB].*[fb]|[fb].*[FB]/);
  expect(lines.slice(4).join("\n")).toMatch(/a column is [\d.]+ of time/);
  expect(lines.at(-1)).toMatch(/^stages and micro-batches would need \d+ columns/);
});

test("ranks that do not fit are counted", () => {
  const { timeline } = simulate(lower(buildProgram("gpipe", { numRanks: 3, numMicroBatches: 1 })), UNIT_COST);
  const text = (maxRanks: number) => stripVTControlCharacters(gantt(timeline, { maxWidth: 80, maxRanks }));
  expect(text(2)).toContain("(1 more rank did not fit; --json has all)");
  expect(text(1)).toContain("(2 more ranks did not fit; --json has all)");
});
