import { expect, test } from "vitest";
import { lower } from "../lower/lower.ts";
import { parseProgramCsv } from "../program/csv.ts";
import { buildProgram } from "../schedules/registry.ts";
import { UNIT_COST } from "../simulate/cost.ts";
import { simulate } from "../simulate/simulate.ts";
import { ChartRows } from "./chart-rows.ts";

const titlesOf = (program: ReturnType<typeof buildProgram>) => {
  const { timeline } = simulate(lower(program), UNIT_COST);
  const rows = new ChartRows(timeline);
  return timeline.ranks.map((_, rank) => rows.titleOf(rank));
};

test.each([
  ["1f1b", 2, 2, ["rank 0", "rank 1"]],
  ["dualpipe", 2, 4, ["rank 0 ↓0 ↑1", "rank 1 ↓1 ↑0"]],
  ["dualpipev", 2, 4, ["rank 0 ↓0 ↑3", "rank 1 ↓1 ↑2"]],
  ["zbv", 3, 6, ["rank 0 ↓0 ↑5", "rank 1 ↓1 ↑4", "rank 2 ↓2 ↑3"]],
  ["interleaved", 2, 4, ["rank 0 ↓0,2", "rank 1 ↓1,3"]],
  ["interleaved", 3, 3, ["rank 0 ↓0,3", "rank 1 ↓1,4", "rank 2 ↓2,5"]],
])("%s on %i ranks", (schedule, numRanks, numMicroBatches, titles) => {
  expect(titlesOf(buildProgram(schedule, { numRanks, numMicroBatches }))).toEqual(titles);
});

test("stages in a row on one rank are no turn, and a program of one rank has one direction", () => {
  expect(titlesOf(parseProgramCsv("0F0,1F0,1B0,0B0\n2F0,3F0,3B0,2B0"))).toEqual([
    "rank 0 ↓0,1",
    "rank 1 ↓2,3",
  ]);
  expect(titlesOf(parseProgramCsv("0F0,1F0,1B0,0B0"))).toEqual(["rank 0 ↓0,1"]);
  expect(titlesOf(parseProgramCsv("1F0,1B0\n0F0,0B0"))).toEqual(["rank 0 ↑1", "rank 1 ↑0"]);
});
