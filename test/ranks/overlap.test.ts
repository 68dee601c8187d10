// Overlapped pairs: by the hook of the stages' class, and by stages that communicate.
import { expect, test } from "vitest";
import { add } from "../../src/autograd/operators/arithmetic.ts";
import { mseLoss } from "../../src/autograd/operators/loss.ts";
import { runRanks } from "../../src/launch/run-ranks.ts";
import { type Action, buildProgram, type Program } from "../../src/schedule/index.ts";
import { Runtime } from "../../src/tensor/runtime.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { exchangeBatch, JointStage } from "./exchange-model.ts";
import type { ExchangeReport } from "./exchange-rank.ts";
import type { HookCase, HookReport } from "./hook-rank.ts";
import { cosineDifference, runSequentially } from "./sequential.ts";

const runtime = Runtime.load();

const actionsOf = (program: Program, rank: number): Action[] => [...program.ranks[rank]!];

test("the hook runs the pairs and nothing else, when both modules are of the class that has it", async () => {
  const sizes = { hidden: 8, sequence: 2, microBatchSize: 1, numMicroBatches: 10, dtype: "float32" } as const;
  const hooks: HookCase["hook"][] = ["none", "plain", "suspended", "plain and none", "plain and suspended"];
  const cases = ["dualpipe", "dualpipev"].flatMap((schedule) =>
    hooks.map((hook): HookCase => ({ schedule, sizes, hook })),
  );
  const numRanks = 4;
  const program = new URL("./hook-rank.ts", import.meta.url);
  const reports = await runRanks<HookReport[]>(program, { numRanks, data: cases });
  cases.forEach(({ schedule, hook }, i) => {
    const planned = buildProgram(schedule, { numRanks, numMicroBatches: sizes.numMicroBatches });
    const withoutHook = cases.findIndex((other) => other.schedule === schedule && other.hook === "none");
    reports.forEach((ofRank, rank) => {
      const numPairs = actionsOf(planned, rank).filter(({ kind }) => kind === "OVERLAP_F_B").length;
      expect(numPairs).toBeGreaterThan(0);
      const { numPairs: numHooked, losses, stages } = ofRank[i]!;
      expect(numHooked, `${schedule}, ${hook}`).toBe(hook === "plain" || hook === "suspended" ? numPairs : 0);
      expect(losses).toEqual(ofRank[withoutHook]!.losses);
      expect(stages).toEqual(ofRank[withoutHook]!.stages);
    });
  });
});

/** What the exchanges of a rank log: in a pair, the backward sends before the forward has received. */
function expectedLog(program: Program, rank: number): string[] {
  return actionsOf(program, rank).flatMap(({ kind }) => {
    switch (kind) {
      case "F":
        return ["F sent", "F received"];
      case "I":
      case "B":
        return ["B sent", "B received"];
      case "OVERLAP_F_B":
        return ["F sent", "B sent", "F received", "B received"];
      default:
        return [];
    }
  });
}

test("stages that communicate overlap in pairs, and give what both models in one give", async () => {
  const numMicroBatches = 8;
  const reports = await runRanks<ExchangeReport>(new URL("./exchange-rank.ts", import.meta.url), {
    numRanks: 4,
    data: numMicroBatches,
  });
  const program = buildProgram("dualpipe", { numRanks: 2, numMicroBatches });
  reports.forEach(({ log }, rank) => {
    expect(log).toEqual(expectedLog(program, rank % 2));
  });

  const stages = [0, 1].map((stage) => new JointStage(runtime, stage));
  const { losses } = runtime.scope(() => {
    const batches = [0, 1].map((pipeline) => exchangeBatch(runtime, pipeline, numMicroBatches));
    return runSequentially(
      stages,
      {
        inputs: batches.map(({ inputs }) => inputs),
        labels: batches.map(({ targets }) => targets),
        numMicroBatches,
      },
      (y0: Tensor, y1: Tensor, t0: Tensor, t1: Tensor) => add(mseLoss(y0, t0), mseLoss(y1, t1)),
    );
  });
  const lossesOf = (pipeline: number): number[] => [
    ...reports[2 * pipeline + 1]!.losses!,
    ...reports[2 * pipeline]!.losses!,
  ];
  const [first, second] = [lossesOf(0), lossesOf(1)];
  expect(first.map((loss, i) => Math.fround(loss + second[i]!))).toEqual(losses);
  reports.forEach(({ stages: ofRank }, rank) => {
    for (const { stage, gradients } of ofRank) {
      const joint = stages[stage]!;
      const wanted = (rank < 2 ? joint.weight0 : joint.weight1).grad!.toArray();
      expect(Math.abs(cosineDifference(gradients.weight!, wanted))).toBeLessThan(1e-13);
    }
  });
});
