import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { until } from "../faults/processes.ts";
import { TrainingRun } from "./training-run.ts";

const run = new TrainingRun();
afterAll(() => run[Symbol.dispose]());

test("SIGUSR1 writes a checkpoint and the run goes on; SIGTERM writes one and ends it", async () => {
  const dir = run.dir("signalled");
  // Long enough not to end before the signals come.
  const first = run.spawn(dir, ["training.steps=100000", "checkpoint.keep=1000"]);
  await first.until("step 5: validation");
  first.child.kill("SIGUSR1");
  await first.until("/step-");
  first.child.kill("SIGTERM");
  expect(await first.closed, first.output()).toEqual([143, null]);
  const [requested, last, ...others] = run.checkpoints("signalled");
  expect(others).toEqual([]);
  const step = Number(last!.replace("step-", ""));
  expect(first.output()).toContain(
    `stopped after step ${step}: the newest checkpoint is ${join(dir, "checkpoints")}`,
  );
  expect(first.output()).toContain(`step ${Number(requested!.replace("step-", ""))}: checkpoint`);
  expect(run.metrics("signalled").at(-1)!.step).toBe(step);
});

test.each([
  ["SIGHUP", 129, []],
  ["SIGINT", 130, ["checkpoint.everySteps=1000000"]],
] as const)("%s writes a checkpoint and ends the run, with status %i", async (signal, status, overrides) => {
  const name = `ended-${signal}`;
  const { child, closed, output, until } = run.spawn(run.dir(name), ["training.steps=100000", ...overrides]);
  await until("step 5: validation");
  child.kill(signal);
  expect(await closed, output()).toEqual([status, null]);
  const [checkpoint, ...others] = run.checkpoints(name);
  expect(others).toEqual([]);
  expect(output()).toContain(
    `stopped after step ${Number(checkpoint!.replace("step-", ""))}: the newest checkpoint is`,
  );
  expect(run.metrics(name).at(-1)!.step).toBe(Number(checkpoint!.replace("step-", "")));
});

test.each([
  ["a run", undefined],
  ["a launcher with its processes", ["--nproc-per-node", "2"]],
])("%s under nohup goes on at SIGHUP", async (what, launch) => {
  const name = `nohup-${what}`;
  const { child, closed, output, until } = run.spawn(run.dir(name), ["training.steps=100000"], {
    // As bash does it, but without a shell in between, which would get the signals.
    wrapper: ["nohup"],
    env: { _: "/usr/bin/nohup" },
    ...(launch && { launch }),
  });
  await until("step 5: validation");
  child.kill("SIGHUP");
  child.kill("SIGUSR1");
  await until("/step-");
  child.kill("SIGTERM");
  expect(await closed, output()).toEqual([143, null]);
  expect(run.checkpoints(name)).toHaveLength(2);
});

test("Ctrl-C ends a run at once where no checkpoints are written, and when it is pressed again", async () => {
  const plain = run.spawn(run.dir("plain"), ["training.steps=100000"]);
  await plain.until("step 5: validation");
  plain.child.kill("SIGINT");
  expect(await plain.closed, plain.output()).toEqual([130, null]);
  expect(existsSync(join(run.dir("plain"), "checkpoints"))).toBe(false);
});

test("a run whose terminal is closed writes its checkpoint", async () => {
  const dir = run.dir("terminal");
  // script(1) gives the run a terminal, which is gone when script is killed.
  const { child, closed, output } = run.spawn(dir, ["training.steps=100000"], {
    wrapper: ["sh", "-c", `exec script -qec "$(printf "'%s' " "$@")" /dev/null`, "sh"],
  });
  await until(
    "it trains",
    () => existsSync(join(dir, "metrics.jsonl")) && statSync(join(dir, "metrics.jsonl")).size > 500,
  );
  child.kill("SIGKILL");
  await closed;
  await until(
    "the checkpoint is complete",
    () =>
      existsSync(join(dir, "checkpoints")) &&
      run.checkpoints("terminal").some((name) => /^step-\d+$/.test(name)),
  );
  expect(output()).not.toContain("    at ");
});
