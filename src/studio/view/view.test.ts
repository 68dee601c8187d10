import fc from "fast-check";
import { expect, it } from "vitest";
import { PLAN_KEYS, type PlanView, WITHIN_MAX } from "../plan/plan-settings.ts";
import { COST_KEYS, DEFAULT_SETTINGS, MEMORY_KEYS, type StepSettings } from "./settings.ts";
import { formatView, MARKED, parseView } from "./view.ts";

const count = fc.integer({ min: 1, max: 999_999 });
const texts = <Key extends string>(keys: readonly Key[]) =>
  fc
    .dictionary(fc.constantFrom(...keys), fc.string({ minLength: 1 }))
    .map((values) => ({ ...values }) as Partial<Record<Key, string>>);

const settings: fc.Arbitrary<StepSettings> = fc.record(
  {
    schedule: fc.string(),
    numRanks: count,
    numMicroBatches: count,
    stagesPerRank: count,
    costs: texts(COST_KEYS),
    memory: texts(MEMORY_KEYS),
    links: fc.array(fc.string()),
    whole: fc.boolean(),
    order: fc.constantFrom("eager" as const, "reference" as const),
    stalls: fc.array(fc.string()),
    slowStages: fc.array(fc.string()),
    separatesPairs: fc.boolean(),
    program: fc.string(),
  },
  {
    requiredKeys: [
      ...(["schedule", "numRanks", "numMicroBatches", "stagesPerRank"] as const),
      ...(["costs", "memory", "links", "whole", "order", "stalls", "slowStages"] as const),
      "separatesPairs" as const,
    ],
  },
);

const plan: fc.Arbitrary<PlanView> = fc.record(
  {
    texts: texts(PLAN_KEYS),
    pick: fc.string(),
    between: fc.tuple(fc.string(), fc.string()),
    within: fc.integer({ min: 1, max: WITHIN_MAX }),
  },
  { requiredKeys: ["texts", "between", "within"] },
);

const rest = fc.record({
  traces: fc.array(fc.string()),
  omitsOwn: fc.boolean(),
  mark: fc.constantFrom(...MARKED),
  run: fc.integer({ min: 0, max: 9 }),
});

it("an address restores its view, whatever was typed into the fields", () => {
  fc.assert(
    fc.property(settings, fc.array(settings), fc.nat(), plan, rest, (given, others, time, planned, more) => {
      const view = { page: "compare" as const, settings: given, others, time, plan: planned, ...more };
      expect(parseView(`#${formatView(view)}`)).toEqual(view);
    }),
  );
});

it("an address that cannot be read is the default view", () => {
  expect(formatView(parseView(""))).toBe("/design");
  for (const hash of ["#", "#/nowhere", "#/design?ranks=-1&micro-batches=1e9&order=random", "#%%%"])
    expect(parseView(hash).settings).toEqual(DEFAULT_SETTINGS);
});
