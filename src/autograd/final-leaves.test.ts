import { expect, test } from "vitest";
import { failOnLeaks } from "../../test/leak-guard.ts";
import { Runtime } from "../tensor/runtime.ts";
import { finish } from "../tensor/suspension.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Backward, rootOf } from "./backward.ts";
import { checkpoint } from "./checkpoint.ts";
import { historyOf } from "./graph.ts";
import { linear } from "./operators/linear.ts";
import { neg } from "./operators/pointwise.ts";
import { Parameter } from "./parameter.ts";
import { markInput } from "./record.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);

interface Weights {
  readonly a: Parameter;
  readonly b: Parameter;
  readonly c: Parameter;
}

/** The weights that W said were final, with their gradients at that time and at its end. */
function finalsOf(
  forward: (x: Tensor, weights: Weights) => Tensor,
): { name: string; heard: number[]; atEnd: number[] }[] {
  return runtime.scope(() => {
    const weight = () => new Parameter(runtime.ones([2, 2]));
    const weights = { a: weight(), b: weight(), c: weight() };
    const named = Object.entries(weights);
    const x = runtime.ones([1, 2]);
    const input = markInput(x, true)!;
    const y = forward(x, weights);
    const walk = new Backward([rootOf(y)!]);
    finish(walk.backwardInputs([runtime.ones(y.shape)]));
    const finals: { name: string; heard: number[] }[] = [];
    const hear = (final: unknown) => {
      const [name, { grad }] = named.find(([, each]) => historyOf(each)!.source === final)!;
      finals.push({ name, heard: grad!.toArray() });
    };
    finish(walk.backwardWeights(hear));
    walk.end();
    const gradients = Object.fromEntries(named.map(([name, { grad }]) => [name, grad!.toArray()]));
    input.grad?.dispose();
    for (const [, each] of named) each.dispose();
    return finals.map((final) => ({ ...final, atEnd: gradients[final.name]! }));
  });
}

test("a gradient is final with the first layer that uses its parameter, and no more is added", () => {
  const finals = finalsOf((x, { a, b, c }) => linear(linear(linear(linear(x, a), b), a), c));
  expect(finals.map(({ name }) => name)).toEqual(["c", "b", "a"]);
  for (const { heard, atEnd } of finals) expect(heard).toEqual(atEnd);
});

test("nothing is said before the end where W meets nodes that it did not start with", () => {
  expect(finalsOf((x, { a, b, c }) => linear(linear(linear(x, a), neg(b)), c))).toEqual([]);
  const recomputed = (x: Tensor, { a, c }: Weights) => checkpoint((x) => linear(linear(x, a), c), x);
  expect(finalsOf((x, weights) => linear(recomputed(x, weights), weights.b))).toEqual([]);
});
