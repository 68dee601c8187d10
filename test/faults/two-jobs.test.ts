// Two jobs train side by side on one host, and each gets random signals. Each ends as if it were alone.
import { afterAll, beforeAll, expect, test } from "vitest";
import { FaultRun, NUM_FAULTS } from "./fault-run.ts";
import { childrenOf, processesNaming, until } from "./processes.ts";

/** A run of both takes as long as ten other faults: `DUALPIPE_FAULTS=500` are 50 runs. */
const NUM_RUNS = Math.ceil(NUM_FAULTS / 10);
const NUM_SIGNALS = 2;
const NUM_PROCESSES = 2;
const LAUNCH = ["--nproc-per-node", String(NUM_PROCESSES), "--max-restarts", String(NUM_SIGNALS)];
/** Enough steps for the signals. */
const STEPS = "training.steps=14";

// Their seeds differ, so a process that joined the other job would change its weights.
const jobs = [1, 2].map((seed) => new FaultRun(20_261_130 + seed, 0, [STEPS, `training.seed=${seed}`]));

beforeAll(async () => {
  for (const job of jobs) await job.trainUndisturbed();
  const [first, second] = await Promise.all(jobs.map((job) => job.run.weights("whole")));
  expect(first).not.toBe(second);
}, 120_000);
afterAll(() => {
  for (const job of jobs) job[Symbol.dispose]();
});

/** To any process, which is restarted; to the launcher, which is started again; or to it for a checkpoint. */
const SIGNALS = ["kill a process", "kill the launcher", "end the launcher", "ask for a checkpoint"] as const;

async function trainDisturbed(job: FaultRun, dir: string): Promise<void> {
  let launcher = job.launch(dir, LAUNCH);
  let numRestarts = 0;
  for (let i = 0; i < NUM_SIGNALS; i++) {
    const { child } = launcher;
    const pids = await until(
      "all processes are there",
      () => {
        const pids = childrenOf(child.pid!);
        return pids.length === NUM_PROCESSES && pids;
      },
      launcher.output,
    );
    await job.randomMoment(dir, launcher.output);
    const signal = job.random.pick(SIGNALS);
    if (signal === "kill a process") {
      process.kill(job.random.pick(pids), "SIGKILL");
      await launcher.until(`; restart ${++numRestarts} of`);
    } else if (signal === "ask for a checkpoint") child.kill("SIGUSR1");
    else {
      child.kill(signal === "kill the launcher" ? "SIGKILL" : "SIGTERM");
      await launcher.closed;
      await until("no process is left", () => processesNaming(job.run.dir(dir)).length === 0);
      launcher = job.launch(dir, LAUNCH);
      numRestarts = 0;
    }
  }
  expect(await launcher.closed, launcher.output()).toEqual([0, null]);
  await job.expectAsUndisturbed(dir);
}

test("two jobs side by side end as if each were alone", async () => {
  for (let round = 0; round < NUM_RUNS; round++)
    await Promise.all(jobs.map((job) => trainDisturbed(job, `round-${round}`)));
  console.log(`two jobs side by side: ${NUM_RUNS} runs of both, with ${NUM_SIGNALS} signals to each`);
}, 3_600_000);
