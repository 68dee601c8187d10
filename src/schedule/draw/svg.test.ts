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
