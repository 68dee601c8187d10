import { expect, test } from "vitest";
import { failOnLeaks } from "../../test/leak-guard.ts";
import { AdamW } from "../optim/adamw.ts";
import { SGD } from "../optim/sgd.ts";
import type { DType } from "../tensor/dtype.ts";
import { Runtime } from "../tensor/runtime.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { backward } from "./backward.ts";
import { add, div, maximum, mul, sub, where } from "./operators/arithmetic.ts";
import { cat, stack } from "./operators/join.ts";
import { linear } from "./operators/linear.ts";
import { mseLoss } from "./operators/loss.ts";
import { sum } from "./operators/reduction.ts";
import { Parameter } from "./parameter.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);

const promoting: Record<string, (a: Tensor, b: Tensor) => Tensor> = {
  add,
  sub,
  mul,
  div,
  maximum,
  where: (a, b) => where(runtime.tensor([1, 0], [2], "bool"), a, b),
  cat: (a, b) => cat([a, b]),
  stack: (a, b) => stack([a, b]),
};

const pairs: [DType, DType][] = [
  ["bfloat16", "float32"],
  ["float32", "float64"],
  ["float16", "bfloat16"],
];

test.each(Object.entries(promoting))(
  "%s of two dtypes gives each input a gradient of its own",
  (_, compute) => {
    for (const [dtypeA, dtypeB] of [...pairs, ...pairs.map(([a, b]) => [b, a] as const)]) {
      runtime.scope(() => {
        const [a, b] = [new Parameter(runtime.ones([2], dtypeA)), new Parameter(runtime.ones([2], dtypeB))];
        backward(sum(compute(a, b)));
        expect([a.grad?.dtype, b.grad?.dtype]).toEqual([dtypeA, dtypeB]);
        a.dispose();
        b.dispose();
      });
    }
  },
);

test("a loss of two dtypes fails in the forward, with both", () => {
  runtime.scope(() => {
    expect(() => mseLoss(runtime.ones([2]), runtime.ones([2], "float64"))).toThrow(
      /mseLoss: .*one dtype; got input float32\[2\], target float64\[2\]/,
    );
  });
});

/** The first element of the sum of 600 gradients of 1. */
function sumOfGradients(p: Parameter): number {
  for (let i = 0; i < 600; i++)
    runtime.scope(() => backward(sum(linear(runtime.ones([1, 2], "bfloat16"), p))));
  return p.grad!.toArray()[0]!;
}

test("gradients of a bfloat16 parameter are summed in its dtype, or in float32 if asked", () => {
  const p = new Parameter(runtime.ones([2, 2], "bfloat16"));
  expect(sumOfGradients(p)).toBe(256);
  p.gradDtype = "float32";
  expect(p.grad).toBeNull();
  expect(sumOfGradients(p)).toBe(600);
  expect(p.grad!.dtype).toBe("float32");
  p.dispose();
});

test("optimizers take a float32 gradient of a bfloat16 parameter", () => {
  for (const optimizer of [SGD, AdamW]) {
    const p = new Parameter(runtime.ones([2, 2], "bfloat16"));
    p.gradDtype = "float32";
    runtime.scope(() => backward(sum(linear(runtime.ones([1, 2], "bfloat16"), p))));
    const update = new optimizer([["p", p]], { learningRate: 0.5, weightDecay: 0 });
    update.step();
    expect(p.dtype).toBe("bfloat16");
    // AdamW rounds its means, and their roots, to bfloat16.
    for (const element of p.toArray()) expect(element).toBeCloseTo(0.5, 2);
    update.dispose();
    p.dispose();
  }
});
