// Two runs do not share a folder, whether the second one is new or goes on where the first one seems to have stopped.
import { afterAll, expect, test } from "vitest";
import { TrainingRun } from "./training-run.ts";

const run = new TrainingRun();
afterAll(() => run[Symbol.dispose]());

const LONG = ["training.steps=100000", "checkpoint.everySteps=5"];

test("a second run is told who has the folder, and takes it once that one was killed", async () => {
  const dir = run.dir("shared");
  const first = run.spawn(dir, LONG, { resume: false });
  await first.until("step 5:");
  for (const resume of [false, true]) {
    const second = run.spawn(dir, LONG, { resume });
    expect((await second.closed)[0]).toBe(1);
    expect(second.output()).toContain(`${dir} belongs to a run of process ${first.child.pid} on `);
  }
  first.child.kill("SIGKILL");
  await first.closed;
  const third = run.spawn(dir, LONG);
  await third.until("resuming after step");
  await third.until("validation loss");
  third.child.kill("SIGTERM");
  expect((await third.closed)[0], third.output()).toBe(143);
  const steps = run
    .metrics("shared")
    .filter(({ kind }) => kind === "train")
    .map(({ step }) => step);
  expect(steps).toEqual(steps.map((_, i) => i + 1));
});
