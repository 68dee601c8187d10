// Makes tensors that no scope owns, in one of several ways; the first argument says which.
import { setTimeout } from "node:timers/promises";
import { isMainThread, Worker } from "node:worker_threads";
import { Linear } from "../../src/nn/layers/linear.ts";
import { Runtime } from "../../src/tensor/runtime.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

const LOADER = new URL("../register-tsx.mjs", import.meta.url).href;
const runtime = Runtime.load();
const numBefore = runtime.addon.numTensors();

/** Each makes tensors and loses them, or does not. */
const programs: Record<string, () => void | Promise<void>> = {
  loop() {
    for (let i = 0; i < 300; i++) runtime.ones([2, 3]); // made in a loop
  },
  escaped() {
    const model = new Linear(runtime, 2, 2);
    for (let i = 0; i < 300; i++) runtime.scope(() => model.call(runtime.ones([1, 2]))); // left the outermost scope
  },
  async threads() {
    const workers = [0, 1].map(
      () => new Worker(new URL(import.meta.url), { argv: ["loop"], execArgv: ["--import", LOADER] }),
    );
    await Promise.all(workers.map((worker) => new Promise((resolve) => worker.on("exit", resolve))));
  },
  async lost() {
    const lose = () => [1, 2].map(() => runtime.ones([4])); // lost
    lose();
    await collectGarbage();
    console.log(`${runtime.addon.numTensors() - numBefore} tensors are still there`);
  },
  async kept() {
    const data = Array.from({ length: 150 }, () => runtime.ones([2]));
    const layers = Array.from({ length: 150 }, () => new Linear(runtime, 2, 2));
    for (let i = 0; i < 1000; i++) {
      using x = runtime.ones([2, 2]);
      runtime.scope(() => {
        layers[0]!.call(x);
      });
      const shared: Tensor = runtime.scope(() => layers[1]!.call(x).share());
      shared.dispose();
    }
    for (const tensor of data.splice(0)) tensor.dispose();
    await collectGarbage();
    console.log(layers.length, data.length);
  },
};

async function collectGarbage(): Promise<void> {
  for (let i = 0; i < 5; i++) {
    globalThis.gc!();
    await setTimeout(10);
  }
}

await programs[process.argv[2]!]!();
if (!isMainThread) process.exit();
