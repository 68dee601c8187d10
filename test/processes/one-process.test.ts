import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { afterAll, expect, test } from "vitest";
import { TrainingRun } from "../checkpoint/training-run.ts";

const run = new TrainingRun();
const taken = createServer();
afterAll(() => {
  taken.close();
  run[Symbol.dispose]();
});

test.each(["auto", "gpu", "cpu"])("PyTorchJob's %s is one process for a config", async (word) => {
  const { closed, output } = run.spawn(run.dir(word), ["training.steps=4"], {
    resume: false,
    launch: [],
    env: { PET_NPROC_PER_NODE: word, PET_NNODES: "1", PET_NODE_RANK: "0", PET_MASTER_ADDR: "localhost" },
  });
  expect(await closed, output()).toEqual([0, null]);
});

test("the only process of a run needs no port", async () => {
  taken.listen(0, "127.0.0.1");
  await once(taken, "listening");
  const { port } = taken.address() as AddressInfo;
  const { closed, output } = run.spawn(run.dir("alone"), ["training.steps=4"], {
    resume: false,
    env: { RANK: "0", WORLD_SIZE: "1", LOCAL_RANK: "0", MASTER_ADDR: "127.0.0.1", MASTER_PORT: String(port) },
  });
  expect(await closed, output()).toEqual([0, null]);
  expect(output()).not.toContain("DUALPIPE_SECRET");
});
