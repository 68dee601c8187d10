// A run of several processes that was given no secret says who can join it.
import { afterAll, expect, test } from "vitest";
import { TrainingRun } from "../checkpoint/training-run.ts";
import { freePort } from "../gloo/free-port.ts";

const run = new TrainingRun();
afterAll(() => run[Symbol.dispose]());

async function outputOf(env: NodeJS.ProcessEnv): Promise<string> {
  const port = await freePort();
  const { closed, output } = run.spawn(run.dir("alone"), ["timeouts.meetSeconds=0.01"], {
    resume: false,
    env: { RANK: "0", WORLD_SIZE: "2", LOCAL_RANK: "0", MASTER_PORT: String(port), ...env },
  });
  await closed;
  return output().replace(String(port), "PORT");
}

test.each([
  ["127.0.0.1", "any program of any user of this host can join this run"],
  ["localhost", "any program of any user of this host can join this run"],
  ["10.1.2.3", "anyone who can reach 10.1.2.3:PORT can join this run"],
])("at %s", async (address, who) => {
  const output = await outputOf({ MASTER_ADDR: address });
  expect(output).toContain(
    `dualpipe: DUALPIPE_SECRET is not set: ${who}; set it to the same secret for all processes, or start them with dualpipe launch`,
  );
  const env = { MASTER_ADDR: address, DUALPIPE_SECRET: "of this run" };
  expect(await outputOf(env)).not.toContain("DUALPIPE_SECRET");
});
