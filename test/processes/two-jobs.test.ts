// Two jobs on one host, port and without a secret: their processes do not mix.
import { afterAll, expect, test } from "vitest";
import { TrainingRun } from "../checkpoint/training-run.ts";
import { freePort } from "../gloo/free-port.ts";

const run = new TrainingRun();
afterAll(() => run[Symbol.dispose]());

test.each([
  [
    "another configuration",
    ["optimizer.learningRate=0.1"],
    {},
    /the configuration \w+, and .* serves .*the configuration \w+;/,
  ],
  [
    "the same configuration and another name",
    [],
    { DUALPIPE_RUN_ID: "b" },
    /job b, and the hub at .* serves .*job a;/,
  ],
] as const)(
  "a process of a job with %s is refused, and the run goes on without it",
  async (what, sets, env, refusal) => {
    const port = await freePort();
    const start = (dir: string, process: number, more: readonly string[], variables: NodeJS.ProcessEnv) =>
      run.spawn(run.dir(dir), ["pipeline.replicas=1", ...more], {
        resume: false,
        env: {
          RANK: String(process),
          LOCAL_RANK: String(process),
          WORLD_SIZE: "2",
          MASTER_ADDR: "127.0.0.1",
          MASTER_PORT: String(port),
          ...variables,
        },
      });
    const own = "DUALPIPE_RUN_ID" in env ? { DUALPIPE_RUN_ID: "a" } : {};
    const name = `jobA${what.length}`;
    const first = start(name, 0, [], own);
    const stranger = start(`jobB${what.length}`, 1, sets, env);
    expect((await stranger.closed)[0], stranger.output()).toBe(1);
    expect(stranger.output()).toMatch(refusal);
    const second = start(name, 1, [], own);
    expect((await first.closed)[0], first.output()).toBe(0);
    expect((await second.closed)[0]).toBe(0);
  },
);
