import { expect, test } from "vitest";
import { ticksOf } from "./ticks.ts";

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
