// Processes of a training run on cards are killed, stopped, or run out of memory. The run ends as if nothing happened.
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
