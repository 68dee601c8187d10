import { type FSWatcher, mkdirSync, watch } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RandomNumbers } from "../faults/random-numbers.ts";
import { TrainingRun } from "./training-run.ts";

const run = new TrainingRun();
const SEED = 20_251_123;
const NUM_KILLS = 4;

beforeAll(async () => {
  await run.train("whole");
});
afterAll(() => run[Symbol.dispose]());

/** Kills the process at the n-th change that it makes to its files. */
function killAtChange(child: { kill(signal: "SIGKILL"): boolean }, dir: string, n: number): FSWatcher[] {
  let numChanges = 0;
  const onChange = (_event: string, file: string | null) => {
    // The lock is taken and renewed before anything of the run is there.
    if (file?.includes(".dualpipe-run.lock")) return;
    if (++numChanges === n) child.kill("SIGKILL");
  };
  return [watch(dir, onChange), watch(join(dir, "checkpoints"), onChange)];
}

test("a run that is killed at random moments ends as one that was not", async () => {
  const dir = run.dir("killed");
  mkdirSync(join(dir, "checkpoints"), { recursive: true });
  const random = new RandomNumbers(SEED);
  const signals: (NodeJS.Signals | null)[] = [];
  for (let kill = 0; kill < NUM_KILLS; kill++) {
    const { child, closed } = run.spawn(dir, ["checkpoint.everySteps=1"]);
    const watchers = killAtChange(child, dir, 8 + random.below(12));
    signals.push((await closed)[1]);
    for (const watcher of watchers) watcher.close();
  }
  const last = run.spawn(dir, ["checkpoint.everySteps=1"]);
  expect(await last.closed, `seed ${SEED}: ${last.output()}`).toEqual([0, null]);
  expect(signals.filter((signal) => signal === "SIGKILL").length).toBeGreaterThanOrEqual(2);
  console.log(`${signals.filter((signal) => signal === "SIGKILL").length} kills injected and survived`);
  expect(last.output()).toContain("resuming after step");
  expect(await run.weights("killed")).toBe(await run.weights("whole"));
  expect(run.metrics("killed")).toEqual(run.metrics("whole"));
  expect(run.temporaryFiles("killed")).toEqual([]);
});

test("a full disk costs a checkpoint, not the run, and not the checkpoint before", async () => {
  const dir = run.dir("small");
  mkdirSync(dir);
  // One checkpoint of 750 kB fits, two do not. The mount is gone with the process that sees it.
  const script = `mount -t tmpfs -o size=1300k tmpfs ${dir} && "$@" && cp -r ${dir} ${run.dir("copied")}`;
  const wrapper = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"];
  const { closed, output } = run.spawn(dir, ["checkpoint.everySteps=5", "output.saveWeights=false"], {
    wrapper,
  });
  expect(await closed, output()).toEqual([0, null]);
  expect(output()).toMatch(
    /step 10: no checkpoint could be written; training goes on: .*the disk is full \(ENOSPC\)/,
  );
  expect(output()).toMatch(
    /step 15: no checkpoint could be written; training goes on: .*the disk is full \(ENOSPC\)/,
  );
  expect(run.checkpoints("copied")).toEqual(["step-000005"]);
  expect(run.temporaryFiles("copied")).toEqual([]);
  expect(run.metrics("copied")).toEqual(run.metrics("whole"));
  await run.train("copied", [], true);
  expect(await run.weights("copied")).toBe(await run.weights("whole"));
});
