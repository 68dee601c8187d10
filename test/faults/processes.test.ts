// Processes of a run are killed, stopped, or lose their launcher, again and again. The run ends as if nothing
// happened.
import { afterAll, beforeAll, expect, test } from "vitest";
import { FaultRun, NUM_FAULTS } from "./fault-run.ts";
import { childrenOf, processesNaming, until } from "./processes.ts";

const faults = new FaultRun(20_261_124);
const RESTARTS = ["--nproc-per-node", "4", "--max-restarts", String(NUM_FAULTS)];

beforeAll(() => faults.trainUndisturbed());
afterAll(() => faults[Symbol.dispose]());

test.each([
  ["killed", "SIGKILL", /was killed by SIGKILL; restart/],
  // A process that had not joined yet causes a timeout of the rendezvous.
  ["stopped", "SIGSTOP", /(sent no heartbeat and was killed|exit status 4 \(a timeout\)); restart/],
] as const)(
  "any rank is %s, and all are restarted",
  async (dir, signal, restart) => {
    const launcher = faults.launch(dir, RESTARTS, { resume: false });
    for (let fault = 1; fault <= NUM_FAULTS; fault++) {
      const pids = await until("all processes are there", () => {
        const pids = childrenOf(launcher.child.pid!);
        return pids.length === 4 && pids;
      });
      await faults.randomMoment(dir);
      process.kill(faults.random.pick(pids), signal);
      await launcher.until(`restart ${fault} of`);
    }
    expect(await launcher.closed, launcher.output()).toEqual([0, null]);
    expect(launcher.output().match(new RegExp(restart, "g"))).toHaveLength(NUM_FAULTS);
    await faults.expectAsUndisturbed(dir);
    console.log(`${signal} of a rank: ${NUM_FAULTS} faults injected and survived`);
  },
  600_000,
);

test("the launcher is killed and restarted by hand", async () => {
  const dir = "orphaned";
  for (let fault = 0; fault < NUM_FAULTS; fault++) {
    const launcher = faults.launch(dir, ["--nproc-per-node", "4"]);
    await faults.randomMoment(dir);
    launcher.child.kill("SIGKILL");
    expect(await launcher.closed, launcher.output()).toEqual([null, "SIGKILL"]);
    await until("no process is left", () => processesNaming(faults.run.dir(dir)).length === 0);
  }
  const last = faults.launch(dir, ["--nproc-per-node", "4"]);
  expect(await last.closed, last.output()).toEqual([0, null]);
  await faults.expectAsUndisturbed(dir);
  console.log(`SIGKILL of the launcher: ${NUM_FAULTS} faults injected and survived`);
}, 600_000);
