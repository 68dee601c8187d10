import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { afterAll, expect, test } from "vitest";
import { TrainingRun } from "../checkpoint/training-run.ts";
import { freePort } from "../gloo/free-port.ts";

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

test("the launchers of a PyTorchJob's pods find each other by its variables", async () => {
  const port = String(await freePort());
  // As the training operator 1.9 sets them for a master and a worker.
  const pod = (rank: string) => ({
    PYTHONUNBUFFERED: "1",
    MASTER_PORT: port,
    PET_MASTER_PORT: port,
    MASTER_ADDR: "localhost",
    PET_MASTER_ADDR: "localhost",
    WORLD_SIZE: "2",
    RANK: rank,
    PET_NODE_RANK: rank,
    PET_NPROC_PER_NODE: "auto",
    PET_NNODES: "2",
    DUALPIPE_ADDRESS: "127.0.0.1",
  });
  const pods = ["1", "0"].map((rank) =>
    run.spawn(run.dir("pods"), ["training.steps=4"], { launch: [], env: pod(rank) }),
  );
  for (const { closed, output } of pods) expect(await closed, output()).toEqual([0, null]);
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
