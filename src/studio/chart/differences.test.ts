import fc from "fast-check";
import { expect, it } from "vitest";
import {
  ActionList,
  buildProgram,
  type CostModel,
  lower,
  type Program,
  simulate,
  UNIT_COST,
} from "../../schedule/index.ts";
import { nameOf } from "./block-text.ts";
import { Differences, describeDifference } from "./differences.ts";
import { DrawnStep } from "./drawn-step.ts";

const built = (name: string) => buildProgram(name, { numRanks: 4, numMicroBatches: 8 });
const drawn = (program: Program, cost: CostModel = UNIT_COST) =>
  new DrawnStep(simulate(lower(program), cost).timeline);
const between = (step: DrawnStep, other: DrawnStep) => Differences.between(step, other)!;

/** The program with an action of a rank at another place. */
function moved(program: Program, rank: number, from: number, to: number): Program {
  const ranks = program.ranks.map((actions, i) => {
    if (i !== rank) return actions;
    const list = [...actions];
    list.splice(to, 0, ...list.splice(from, 1));
    return ActionList.from(list, program.numMicroBatches);
  });
  return { ...program, ranks };
}

it("finds none between a step and itself", () => {
  const step = drawn(built("dualpipe"));
  expect(between(step, drawn(built("dualpipe"))).all).toEqual([]);
});

it("names the one block that has moved, not those that it passed", () => {
  // The last rank of GPipe runs its last backward first: all others keep their order.
  const program = built("gpipe");
  const step = drawn(moved(program, 3, 15, 8));
  const { all } = between(step, drawn(program));
  expect(all.filter(({ kinds }) => kinds.has("order")).map(({ block }) => nameOf(block))).toEqual(["3B7"]);
  expect(all.some(({ block, kinds }) => nameOf(block) === "3B6" && kinds.has("start"))).toBe(true);
});

it("finds the blocks of a slower stage, and what that delays", () => {
  const slower = drawn(built("1f1b"), { ...UNIT_COST, F: [1, 1, 2, 1] });
  const differences = between(slower, drawn(built("1f1b")));
  expect(differences.count("order")).toBe(0);
  const longer = differences.all.filter(({ kinds }) => kinds.has("duration"));
  expect(longer).toHaveLength(8);
  for (const { block } of longer) expect([block.kind, block.stage]).toEqual(["F", 2]);
  expect(describeDifference(longer[0]!, "1F1B")).toBe("compared with 1F1B: 1 longer");
  expect(differences.count("start")).toBeGreaterThan(8);
  const { block } = longer[0]!;
  expect(differences.marks("duration").has(block)).toBe(true);
  expect(differences.marks("order").has(block)).toBe(false);
});

it("moves as many blocks there as back, and none more than are out of order", () => {
  const step = drawn(built("gpipe"));
  fc.assert(
    fc.property(fc.integer({ min: 8, max: 15 }), fc.integer({ min: 8, max: 15 }), (from, to) => {
      const other = drawn(moved(moved(built("gpipe"), 3, from, to), 3, 12, 9));
      const there = between(other, step).count("order");
      expect(there).toBe(between(step, other).count("order"));
      expect(there).toBeLessThanOrEqual(2);
    }),
  );
});

it("counts what the other step has not", () => {
  // GPipe runs full backwards, ZB1P mostly halves.
  const differences = between(drawn(built("zb1p")), drawn(built("gpipe")));
  const without = differences.all.filter(({ other }) => other === undefined);
  expect(without.length).toBeGreaterThan(0);
  for (const { block, kinds } of without) expect([block.kind !== "F", [...kinds]]).toEqual([true, ["order"]]);
  const other = drawn(built("gpipe"));
  const missing = [...other.blocksOf(0)].filter((block) => differences.marksOfOther("order").has(block));
  expect(missing.map(({ kind }) => kind)).toContain("B");
});
