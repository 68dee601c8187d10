import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseCost } from "../../schedule/index.ts";
import { findLink, linkInWords, parseLink, withLink } from "./links.ts";
import { STAGE_COST_KEYS, stageCostOf, withStageCost } from "./per-stage.ts";
import { costText, DEFAULT_SETTINGS } from "./settings.ts";

const number = fc.integer({ min: 0, max: 1e6 }).map((value) => String(value / 1000));
const numStages = 6;
const stage = fc.integer({ min: 0, max: numStages - 1 });
const key = fc.constantFrom(...STAGE_COST_KEYS);

describe("the cost of one stage", () => {
  it("changes at that stage and nowhere else, and the text is one that the simulator reads", () => {
    const changes = fc.array(fc.tuple(key, stage, number), { maxLength: 8 });
    fc.assert(
      fc.property(changes, key, stage, number, (before, changedKey, changed, value) => {
        let costs: typeof DEFAULT_SETTINGS.costs = {};
        for (const [each, at, to] of before) costs = withStageCost(costs, each, at, to, numStages);
        const after = withStageCost(costs, changedKey, changed, value, numStages);
        for (let at = 0; at < numStages; at++)
          expect(stageCostOf(after, changedKey, at, numStages)).toBe(
            at === changed ? value : stageCostOf(costs, changedKey, at, numStages),
          );
        expect(() => parseCost(costText({ ...DEFAULT_SETTINGS, costs: after }))).not.toThrow();
      }),
    );
  });

  it("begins where all stages stand: a pair at the F, I and W of its stage", () => {
    expect(stageCostOf({ F: "1/2", pairShare: "0.5" }, "FB", 1, 2)).toBe("2");
    expect(withStageCost({}, "F", 1, "2", 3)).toEqual({ F: "1/2/1" });
    expect(withStageCost({ F: "1/2/1" }, "F", 1, "1", 3)).toEqual({ F: "1" });
  });
});

describe("a link of its own", () => {
  it("is read back from its text, and each pair of ranks has one", () => {
    fc.assert(
      fc.property(fc.nat(99), fc.nat(99), number, fc.option(number), (from, to, latency, limit) => {
        const of = { latency, bandwidth: limit ?? "" };
        const links = withLink(["7-100@1"], String(from), String(to), of);
        const again = withLink(links, String(from), String(to), of);
        expect(again).toEqual(links);
        expect(parseLink(findLink(links, String(from), String(to))!)).toEqual({
          ...{ from, to, latency: Number(latency) },
          ...(limit === null ? {} : { bandwidth: Number(limit) }),
        });
      }),
    );
    expect(linkInWords("2-3@0.5/100")).toBe("rank 2 to 3: latency 0.5, bandwidth 100");
  });

  it("says how it is written", () => expect(() => parseLink("2-3")).toThrow(/write 2-3@0.5\/100/));
});
