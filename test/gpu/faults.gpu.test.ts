// Processes of a training run on cards are killed, stopped, or run out of memory. The run ends as if nothing happened.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { Runtime } from "../../src/tensor/runtime.ts";
import { FaultRun } from "../faults/fault-run.ts";
import { childrenOf, until } from "../faults/processes.ts";

const NUM_PROCESSES = 2;
const NUM_RESTARTS = 2;
// NCCL needs a card for each process.
const CARDS =
  (Runtime.load({ device: "cpu" }).addon.cuda?.numCards() ?? 0) < NUM_PROCESSES ? ["auto"] : ["auto", "nccl"];

test.each(CARDS)(
  "with DUALPIPE_CARDS=%s, killed and stopped processes are restarted",
  async (cards) => {
    using faults = new FaultRun(20_261_127, 8, ["pipeline.replicas=1", "training.device=cuda"]);
    await faults.trainUndisturbed();
    for (const signal of ["SIGKILL", "SIGSTOP"] as const) {
      const launch = ["--nproc-per-node", String(NUM_PROCESSES), "--max-restarts", String(NUM_RESTARTS)];
      const launcher = faults.launch(signal, launch, { resume: false, env: { DUALPIPE_CARDS: cards } });
      for (let fault = 1; fault <= NUM_RESTARTS; fault++) {
        const pids = await until("all processes are there", () => {
          const pids = childrenOf(launcher.child.pid!);
          return pids.length === NUM_PROCESSES && pids;
        });
        await faults.randomMoment(signal, launcher.output);
        process.kill(faults.random.pick(pids), signal);
        await launcher.until(`restart ${fault} of`);
      }
      expect(await launcher.closed, launcher.output()).toEqual([0, null]);
      await faults.expectAsUndisturbed(signal);
    }
  },
  600_000,
);

test.each(CARDS)("with DUALPIPE_CARDS=%s, a rank without memory is named, and all are restarted", (cards) => {
  const [loader, main, program] = ["../register-tsx.mjs", "../../src/cli/main.ts", "./exhaust-once.ts"].map(
    (path) => fileURLToPath(new URL(path, import.meta.url)),
  ) as [string, string, string];
  const run = (args: readonly string[]) =>
    spawnSync(process.execPath, ["--import", loader, ...args], {
      encoding: "utf8",
      env: { ...process.env, DUALPIPE_CARDS: cards },
    });
  const inOne = run([program]);
  expect(inOne.stderr).toBe("");
  const launch = ["launch", "--nproc-per-node", String(NUM_PROCESSES), "--max-restarts", "1", program];
  const { status, stdout, stderr } = run([main, ...launch]);
  expect(stderr).toMatch(/rank 3.*micro-batch.*tried to allocate.*weights.*activations/i);
  expect(stderr).toContain("restart 1 of 1");
  expect(status, stderr).toBe(0);
  const lossesIn = (text: string) => text.match(/losses .*/g)?.sort();
  expect(lossesIn(inOne.stdout)).toHaveLength(2);
  expect(lossesIn(stdout)).toEqual(lossesIn(inOne.stdout));
});
