import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildProgram, formatProgramCsv, parseCost, searchSchedule } from "../../src/schedule/index.ts";
import { findResumePoint } from "../../src/trainer/checkpoint/resume.ts";
import { CheckpointStore } from "../../src/trainer/checkpoint/store.ts";
import { loadConfig } from "../../src/trainer/config/config.ts";
import { exportModel } from "../../src/trainer/export-model.ts";
import { train } from "../../src/trainer/train.ts";
import { TrainingRun } from "./training-run.ts";

const run = new TrainingRun();
const EVERY = "checkpoint.everySteps=5";
const FOUND = ["pipeline.schedule=found.csv", "model.dropout=0.1", EVERY];
const { placement } = buildProgram("dualpipe", { numRanks: 2, numMicroBatches: 8 });
const found = searchSchedule({
  placement,
  cost: parseCost("F=2,I=3,W=1,link=0.1"),
  maxActivations: 4,
  numTrials: 20,
});

const write = (name: string) => writeFileSync(join(run.folder, name), formatProgramCsv(found.program));

beforeAll(async () => {
  write("found.csv");
  await run.train("found", FOUND);
});
afterAll(() => run[Symbol.dispose]());

test("a searched program trains as the schedule with its placement does, to 1e-5 of a loss", async () => {
  await run.train("named", ["model.dropout=0", EVERY]);
  await run.train("searched", ["pipeline.schedule=found.csv", EVERY]);
  const [ours, theirs] = [run.metrics("searched"), run.metrics("named")];
  expect(ours).toHaveLength(theirs.length);
  ours.forEach(({ loss }, i) => {
    expect(Math.abs(loss - theirs[i]!.loss)).toBeLessThan(1e-5);
  });
});

test("its summary has a bubble, measured and planned", async () => {
  const { bubble } = await run.train("summary", ["pipeline.schedule=found.csv", "training.steps=4"]);
  expect(bubble!.measuredRatio).toBeGreaterThan(0);
  expect(bubble!.plannedStepMs).toBeGreaterThan(0);
  expect(bubble!.numSteps).toBe(4);
});

function interrupt(name: string): void {
  run.copy("found", name);
  rmSync(join(run.dir(name), "checkpoints", "step-000015"), { recursive: true });
  rmSync(join(run.dir(name), "model.safetensors"));
}

test("it resumes bit for bit from the run's own configuration, when the file is gone or another", async () => {
  interrupt("resumed");
  rmSync(join(run.folder, "found.csv"));
  const config = await loadConfig(join(run.dir("found"), "config.yaml"), [
    `output.dir=${run.dir("resumed")}`,
  ]);
  await train({ config, resume: true });
  write("found.csv");
  expect(await run.weights("resumed")).toBe(await run.weights("found"));
  expect(run.metrics("resumed")).toEqual(run.metrics("found"));
});

test("it resumes bit for bit with the same program in another file, and knows another program in the same file", async () => {
  write("moved.csv");
  interrupt("moved");
  await run.train("moved", [...FOUND, "pipeline.schedule=moved.csv"], true);
  expect(await run.weights("moved")).toBe(await run.weights("found"));
  const isSameLayout = async (schedule: string) => {
    const config = await run.config("found", [...FOUND, `pipeline.schedule=${schedule}`]);
    return (await findResumePoint(new CheckpointStore(run.dir("found")), config, () => {}))!.isSameLayout;
  };
  const other = buildProgram("dualpipe", { numRanks: 2, numMicroBatches: 8 });
  writeFileSync(join(run.folder, "found.csv"), formatProgramCsv(other));
  expect([await isSameLayout("moved.csv"), await isSameLayout("found.csv")]).toEqual([true, false]);
  write("found.csv");
});

test("its model is exported without the file", async () => {
  rmSync(join(run.folder, "found.csv"));
  expect(await exportModel(run.dir("found"), run.dir("export"), () => {})).toBe(15);
  write("found.csv");
});

test("two processes under dualpipe launch train it to the weights of two threads", async () => {
  const { closed, output } = run.spawn(run.dir("launched"), FOUND, { launch: ["--nproc-per-node", "2"] });
  expect(await closed, output()).toEqual([0, null]);
  expect(await run.weights("launched")).toBe(await run.weights("found"));
});
