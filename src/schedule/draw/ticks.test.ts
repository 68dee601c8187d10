import { expect, test } from "vitest";
import { ticksBetween, ticksOf } from "./ticks.ts";

test.each([
  [26, 10, ["0", "5", "10", "15", "20", "25"]],
  [1, 4, ["0", "0.5", "1"]],
  [0.0031, 4, ["0", "0.001", "0.002", "0.003"]],
  [700, 3, ["0", "500"]],
  [5, 0.4, ["0", "5"]],
  [0, 5, ["0"]],
])("an axis to %d with at most %d ticks", (end, maxTicks, labels) => {
  expect(ticksOf(end, maxTicks).map(({ label }) => label)).toEqual(labels);
});

test("a part of an axis has the ticks of the whole that are in it", () => {
  expect(ticksBetween(3.58, 5.4, 5).map(({ label }) => label)).toEqual(["4", "4.5", "5"]);
  expect(ticksBetween(10, 20, 2).map(({ label }) => label)).toEqual(["10", "15", "20"]);
  expect(ticksBetween(4, 4, 3)).toEqual([]);
});
