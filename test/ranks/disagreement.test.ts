// Ranks that do not take the same steps hear of it at once, instead of training on one another's stale values.
import { beforeAll, describe, expect, test } from "vitest";
import { runRanks } from "../../src/launch/run-ranks.ts";
import type { Outcome, Scenario } from "./disagreeing-rank.ts";

const SCHEDULES = ["gpipe", "1f1b", "zb1p", "interleaved", "zbv", "dualpipe", "dualpipev"];
/** A wait that ends by itself takes ten minutes. */
const AT_ONCE_MS = 30_000;

function scenariosOf(schedule: string): Record<string, Scenario> {
  const [train, validate, longer] = [
    ["train", 4],
    ["validate", 4],
    ["train", 8],
  ] as const;
  const steps = (...list: (typeof train | typeof validate | typeof longer)[]) => ({ schedule, steps: list });
  return {
    "a validation on the first rank only": [steps(validate, train), steps(train)],
    "a validation on the last rank only": [steps(train, train), steps(validate, train)],
    "a second step in two modes": [steps(train, train), steps(train, validate)],
    "two numbers of micro-batches": [steps(train), steps(longer)],
  };
}

const scenarios: Record<string, Scenario> = Object.fromEntries(
  SCHEDULES.flatMap((schedule) =>
    Object.entries(scenariosOf(schedule)).map(([name, scenario]) => [`${schedule}: ${name}`, scenario]),
  ),
);
const train = [["train", 4]] as const;
scenarios["two schedules of the same stages"] = [
  { schedule: "gpipe", steps: train },
  { schedule: "1f1b", steps: train },
];
scenarios["two schedules of other stages"] = [
  { schedule: "1f1b", steps: train },
  { schedule: "dualpipe", steps: train },
];
scenarios["shardUpdates on one rank only"] = [
  { schedule: "dualpipe", steps: train, shardUpdates: true },
  { schedule: "dualpipe", steps: train },
];
scenarios["shareUpdates on one rank while the other takes a step"] = [
  { schedule: "dualpipe", steps: [...train, ["share", 0], ...train], shardUpdates: true },
  { schedule: "dualpipe", steps: [...train, ...train], shardUpdates: true },
];

describe("ranks that disagree", () => {
  const names = Object.keys(scenarios);
  let outcomes: Outcome[][] = [];

  beforeAll(async () => {
    outcomes = await runRanks(new URL("./disagreeing-rank.ts", import.meta.url), {
      numRanks: 2,
      data: Object.values(scenarios),
    });
  }, 240_000);

  test.each(names)("about %s hear of it at once", (name) => {
    const ofRanks = outcomes.map((ofRank) => ofRank[names.indexOf(name)]!);
    expect(ofRanks.map(({ code }) => code)).toContain("MISMATCHED_MESSAGE");
    for (const { code, message, ms } of ofRanks) {
      expect(["MISMATCHED_MESSAGE", "ABORTED"]).toContain(code);
      expect(message).toMatch(/expected .+ from rank \d, which sent .+; all ranks must take the same steps/);
      expect(ms).toBeLessThan(AT_ONCE_MS);
    }
  });
});
