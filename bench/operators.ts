import { Backward, linear, markInput, neg, Parameter, rootOf } from "../src/autograd/index.ts";
import { operator } from "../src/tensor/native-operator.ts";
import { Runtime } from "../src/tensor/runtime.ts";
import { finish } from "../src/tensor/suspension.ts";
import type { Tensor } from "../src/tensor/tensor.ts";

/** One figure of a benchmark. */
export interface Row {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}

const ADD = operator("aten::add", "Tensor");
const ADD_INPLACE = operator("aten::add_", "Tensor");
const EYE = operator("aten::eye");
const NEG = operator("aten::neg");
const NUM_CALLS = 2000;
const NUM_ROUNDS = 25;

/** What this library costs on top of the kernels: medians of calls and graph nodes on tensors of 16 elements. */
export function measureOperators(runtime = Runtime.load()): Row[] {
  measureOnce(runtime);
  return measureOnce(runtime);
}

/** Measures everything once; the first time only warms up the compiler. */
function measureOnce(runtime: Runtime): Row[] {
  // The identity: other weights would drive a long chain of products into infinities or denormal numbers.
  const weight = new Parameter(runtime.scope(() => runtime.call(EYE, 4)));
  const kernel = medianNs(() => runtime.scope(() => callKernels(runtime)));
  const rows: Row[] = [
    row(
      "operator call in place, add_",
      medianNs(() => runtime.scope(() => callInPlace(runtime))),
    ),
    row(
      "operator call, add",
      medianNs(() => runtime.scope(() => callAdds(runtime))),
    ),
    row(
      "scope",
      medianNs(() => openScopes(runtime)),
    ),
    ...nodeRows("autograd node, neg", runtime, neg, kernel),
    ...nodeRows("autograd node, linear [4, 4]", runtime, (x) => linear(x, weight)),
  ];
  weight.dispose();
  return rows;
}

function row(name: string, value: number): Row {
  return { name, value: Math.round(value), unit: "ns" };
}

function callAdds(runtime: Runtime): void {
  const x = runtime.ones([16]);
  for (let i = 0; i < NUM_CALLS; i++) runtime.call(ADD, x, x).dispose();
}

function callInPlace(runtime: Runtime): void {
  const x = runtime.zeros([16]);
  for (let i = 0; i < NUM_CALLS; i++) runtime.callInPlace(ADD_INPLACE, x, x);
}

function callKernels(runtime: Runtime): void {
  const x = runtime.ones([4, 4]);
  for (let i = 0; i < NUM_CALLS; i++) runtime.call(NEG, x).dispose();
}

function openScopes(runtime: Runtime): void {
  for (let i = 0; i < NUM_CALLS; i++) runtime.scope(() => undefined);
}

/** Forward and backward of one node and, if its kernel's time is known, what remains without it. */
function nodeRows(name: string, runtime: Runtime, node: (x: Tensor) => Tensor, kernelNs?: number): Row[] {
  const forward: number[] = [];
  const backward: number[] = [];
  for (let round = 0; round < NUM_ROUNDS; round++)
    runtime.scope(() => {
      const x = runtime.ones([4, 4]);
      const leaf = markInput(x, true)!;
      const gradient = runtime.ones([4, 4]);
      const start = process.hrtime.bigint();
      const y = runtime.scope(() => {
        let h = x;
        for (let i = 0; i < NUM_CALLS; i++) h = node(h);
        return h;
      });
      const middle = process.hrtime.bigint();
      const walk = new Backward([rootOf(y)!]);
      finish(walk.backward([gradient]));
      walk.end();
      forward.push(Number(middle - start) / NUM_CALLS);
      backward.push(Number(process.hrtime.bigint() - middle) / NUM_CALLS);
      leaf.grad?.dispose();
    });
  const [forwardNs, backwardNs] = [median(forward), median(backward)];
  const rows = [row(`${name}, forward`, forwardNs), row(`${name}, backward`, backwardNs)];
  if (kernelNs === undefined) return rows;
  return [...rows, row(`${name}, both without the kernels`, forwardNs + backwardNs - 2 * kernelNs)];
}

function medianNs(body: () => void): number {
  const times: number[] = [];
  for (let round = 0; round < NUM_ROUNDS; round++) {
    const start = process.hrtime.bigint();
    body();
    times.push(Number(process.hrtime.bigint() - start) / NUM_CALLS);
  }
  return median(times);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
