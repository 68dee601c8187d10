// Trains the same small model in the main thread and then in several threads at once, and prints a line for each.
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { backward, gelu, linear, mseLoss, Parameter } from "../../src/autograd/index.ts";
import { operator } from "../../src/tensor/native-operator.ts";
import { Runtime } from "../../src/tensor/runtime.ts";

const ADD_INPLACE = operator("aten::add_", "Tensor");

/** Losses of a number of steps, and how many tensors are left in the end. */
function train(runtime: Runtime, numSteps: number): { losses: number[]; numLeft: number } {
  const before = runtime.addon.numTensors();
  runtime.seed(1);
  const weights = [runtime.randn([16, 8]), runtime.randn([4, 16])].map((weight) => new Parameter(weight));
  const losses: number[] = [];
  for (let step = 0; step < numSteps; step++)
    runtime.scope(() => {
      const x = runtime.randn([32, 8]);
      const y = linear(gelu(linear(x, weights[0]!)), weights[1]!);
      const loss = mseLoss(y, runtime.zeros([32, 4]));
      losses.push(loss.item());
      backward(loss);
      for (const weight of weights) {
        runtime.callInPlace(ADD_INPLACE, weight, weight.grad!, -0.01);
        weight.grad = null;
      }
    });
  for (const weight of weights) weight.dispose();
  return { losses, numLeft: runtime.addon.numTensors() - before };
}

if (isMainThread) {
  const [numThreads, mode] = [Number(process.argv[2]), process.argv[3]];
  const runtime = Runtime.load();
  const shouldTerminate = mode === "terminate";
  if (!shouldTerminate) console.log(JSON.stringify(train(runtime, 20)));
  const workers = Array.from(
    { length: numThreads },
    () => new Worker(new URL(import.meta.url), { workerData: shouldTerminate ? "forever" : "once" }),
  );
  await Promise.all(
    workers.map(
      (worker) =>
        new Promise<void>((resolve, reject) => {
          worker.once("error", reject);
          worker.once("message", (line: string) => {
            if (shouldTerminate) worker.terminate().then(() => resolve(), reject);
            else {
              console.log(line);
              resolve();
            }
          });
        }),
    ),
  );
  if (shouldTerminate) console.log(`terminated ${numThreads}`);
} else {
  const runtime = Runtime.load();
  const result = JSON.stringify(train(runtime, 20));
  parentPort!.postMessage(result);
  while (workerData === "forever") train(runtime, 20);
}
