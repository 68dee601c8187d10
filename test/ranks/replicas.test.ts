// Pipelines side by side on parts of a batch, compared with one pipeline on the whole batch.
import { describe, expect, test } from "vitest";
import { runRanks } from "../../src/launch/run-ranks.ts";
import type { ForgetfulCase } from "./forgetful-rank.ts";
import type { ReplicasCase, ReplicasReport } from "./replicas-rank.ts";
import { cosineDifference } from "./sequential.ts";

const NUM_STEPS = 3;

async function run(numRanks: number, cases: readonly ReplicasCase[]): Promise<ReplicasReport[][]> {
  const program = new URL("./replicas-rank.ts", import.meta.url);
  const byRank = await runRanks<ReplicasReport[]>(program, { numRanks, data: cases });
  return cases.map((_, i) => byRank.map((reports) => reports[i]!));
}

const lossesOf = (reports: readonly ReplicasReport[]) =>
  reports.flatMap(({ losses }) => losses).sort(([a], [b]) => a - b);

/** The values of every holder, by name. */
function valuesOf(
  reports: readonly ReplicasReport[],
  what: "gradients" | "parameters",
): Map<string, (readonly number[] | null)[]> {
  const all = new Map<string, (readonly number[] | null)[]>();
  for (const report of reports)
    for (const [name, values] of Object.entries(report[what])) {
      const list = all.get(name) ?? [];
      list.push(values);
      all.set(name, list);
    }
  return all;
}

const numElementsOf = (reports: readonly ReplicasReport[]): number =>
  [...valuesOf(reports, "parameters").values()].reduce((sum, [values]) => sum + values!.length, 0);

interface Case {
  readonly schedule: string;
  readonly numPlaces: number;
  readonly numStages: number;
  readonly numReplicas: number;
  readonly tieEmbeddings: boolean;
}

const cases: Case[] = [
  { schedule: "dualpipe", numPlaces: 2, numStages: 2, numReplicas: 1, tieEmbeddings: true },
  { schedule: "dualpipe", numPlaces: 2, numStages: 2, numReplicas: 2, tieEmbeddings: false },
  { schedule: "dualpipe", numPlaces: 2, numStages: 2, numReplicas: 2, tieEmbeddings: true },
  { schedule: "dualpipe", numPlaces: 4, numStages: 4, numReplicas: 2, tieEmbeddings: true },
  { schedule: "dualpipev", numPlaces: 2, numStages: 4, numReplicas: 2, tieEmbeddings: true },
  { schedule: "zbv", numPlaces: 2, numStages: 4, numReplicas: 3, tieEmbeddings: true },
  { schedule: "1f1b", numPlaces: 2, numStages: 2, numReplicas: 2, tieEmbeddings: false },
  { schedule: "gpipe", numPlaces: 1, numStages: 1, numReplicas: 4, tieEmbeddings: false },
];

describe.each(cases)(
  "$numReplicas x $schedule on $numPlaces ranks, tied: $tieEmbeddings",
  ({ numPlaces, numReplicas, ...rest }) => {
    const numMicroBatches = 2 * 2 * numPlaces * numReplicas;
    const common = { ...rest, numMicroBatches, numSteps: NUM_STEPS };
    let sharded: ReplicasReport[] = [];
    let summed: ReplicasReport[] = [];
    let one: ReplicasReport[] = [];

    test("runs", async () => {
      const alone = { ...common, numReplicas: 1, shardUpdates: false };
      [one] = (await run(numPlaces, [alone])) as [ReplicasReport[]];
      const both = [true, false].map((shardUpdates) => ({ ...common, numReplicas, shardUpdates }));
      [sharded, summed] = (await run(numReplicas * numPlaces, both)) as [ReplicasReport[], ReplicasReport[]];
    });

    test("has the losses of one pipeline on the whole batch, bit for bit", () => {
      expect(lossesOf(one)).toHaveLength(numMicroBatches);
      expect(lossesOf(sharded)).toEqual(lossesOf(one));
      expect(lossesOf(summed)).toEqual(lossesOf(one));
    });

    test("has its gradients: at every holder, or at one of them", () => {
      const expected = valuesOf(one, "gradients");
      for (const [name, values] of valuesOf(summed, "gradients")) {
        for (const ofHolder of values) expect(ofHolder).toEqual(values[0]);
        expect(Math.abs(cosineDifference(values[0]!, expected.get(name)![0]!))).toBeLessThan(1e-13);
      }
      const everywhere = valuesOf(summed, "gradients");
      for (const [name, values] of valuesOf(sharded, "gradients"))
        expect(values.filter((ofHolder) => ofHolder !== null)).toEqual([everywhere.get(name)![0]]);
    });

    test("has equal parameters at all holders after some steps, sharded or not, and those of one pipeline to 1e-4", () => {
      const everywhere = valuesOf(summed, "parameters");
      const alone = valuesOf(one, "parameters");
      for (const [name, values] of valuesOf(sharded, "parameters")) {
        for (const ofHolder of [...values, ...everywhere.get(name)!]) expect(ofHolder).toEqual(values[0]);
        const expected = alone.get(name)![0]!;
        values[0]!.forEach((value, i) => {
          expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-4);
        });
      }
    });

    test("has each parameter, and its optimizer's state, on one rank when updates are sharded", () => {
      const numElements = numElementsOf(sharded) - tiedTwice(sharded, rest.tieEmbeddings);
      const numState = sharded.reduce((sum, { numStateElements }) => sum + numStateElements, 0);
      expect(numState).toBe(2 * numElements);
      for (const reports of [sharded, summed]) {
        const owned = reports.flatMap((report) => report.owned);
        expect(new Set(owned).size).toBe(owned.length);
      }
      expect(sharded.every(({ owned }) => owned.length > 0)).toBe(true);
    });
  },
);

/** Elements of the token embedding, which a tied model has under a second name. */
function tiedTwice(reports: readonly ReplicasReport[], isTied: boolean): number {
  return isTied ? valuesOf(reports, "parameters").get("lm_head.weight")![0]!.length : 0;
}

test("ranks may take other places than their own", async () => {
  const common = {
    schedule: "dualpipe",
    numReplicas: 2,
    shardUpdates: true,
    numStages: 2,
    tieEmbeddings: true,
    numMicroBatches: 16,
    numSteps: 2,
  };
  const rankMapping = [2, 0, 3, 1];
  const [plain, mapped] = await run(4, [common, { ...common, rankMapping }]);
  rankMapping.forEach((place, rank) => {
    expect(mapped![rank]).toEqual(plain![place]);
  });
});

const forgetful = (data: ForgetfulCase) =>
  runRanks<number>(new URL("./forgetful-rank.ts", import.meta.url), { numRanks: 2, data });

test.each(["train", "evaluate"] as const)(
  "when shareUpdates was forgotten, the next step says so (%s)",
  async (next) => {
    await expect(forgetful({ shares: false, shardUpdates: true, next })).rejects.toMatchObject({
      code: "UPDATES_NOT_SHARED",
      message: expect.stringMatching(
        /rank \d: \d of its parameters were updated after the last shareUpdates, and the other ranks that hold them have their old values; with shardUpdates, call pipe.shareUpdates\(\) on every rank after the optimizer's step/,
      ),
    });
  },
);

test.each<ForgetfulCase>([
  { shares: true, shardUpdates: true, next: "train" },
  { shares: false, shardUpdates: false, next: "train" },
  { shares: false, shardUpdates: true, next: "load" },
])("nothing is said where nothing was forgotten: %o", async (data) => {
  expect(await forgetful(data)).toEqual([2, 2]);
});
