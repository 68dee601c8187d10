// What cards compute in other precisions: gradients of bfloat16 weights summed in float32, AdamW's fused kernel, TF32.
import { expect, test } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import { linear } from "../../src/autograd/operators/linear.ts";
import { sum } from "../../src/autograd/operators/reduction.ts";
import { Parameter } from "../../src/autograd/parameter.ts";
import { AdamW } from "../../src/optim/adamw.ts";
import * as kernels from "../../src/tensor/kernels/index.ts";
import { Runtime } from "../../src/tensor/runtime.ts";

const card = Runtime.load({ device: "cuda" });
const cpu = Runtime.load({ device: "cpu" });

test("600 gradients of 1 of a bfloat16 weight add up to 600 in float32", () => {
  card.scope(() => {
    const weight = new Parameter(card.ones([16, 16], "bfloat16"));
    weight.gradDtype = "float32";
    const x = card.ones([1, 16], "bfloat16");
    for (let i = 0; i < 600; i++) backward(sum(linear(x, weight)));
    expect(weight.grad!.dtype).toBe("float32");
    expect(new Set(weight.grad!.toArray())).toEqual(new Set([600]));
    weight.dispose();
  });
});

test.each([false, true])(
  "AdamW on a card does what it does on the CPU; master weights: %s",
  (masterWeights) => {
    const dtype = masterWeights ? "bfloat16" : "float32";
    const [ours, expected] = [card, cpu].map((runtime) =>
      runtime.scope(() => {
        const parameter = new Parameter(runtime.tensor([1, -2, 0.5, 3], [4], dtype));
        if (masterWeights) parameter.gradDtype = "float32";
        using optimizer = new AdamW([["p", parameter]], {
          learningRate: 1e-2,
          weightDecay: 0.1,
          masterWeights,
        });
        for (let step = 1; step <= 5; step++) {
          parameter.grad = runtime.tensor([0.1 * step, 0.2, -0.3, 0.4], [4], "float32");
          optimizer.step();
        }
        const weights = masterWeights ? optimizer.stateDict()["p.master"]! : parameter;
        const numbers = weights.toArray();
        parameter.dispose();
        return numbers;
      }),
    ) as [number[], number[]];
    for (const [i, weight] of ours.entries()) expect(weight).toBeCloseTo(expected[i]!, 6);
  },
);

test("TF32 rounds the factors of a product, and only when it was asked for", () => {
  card.scope(() => {
    const x = card.full([256, 256], 1 + 2 ** -12);
    const one = card.ones([256, 256]);
    const product = () => kernels.mm(x, one).toArray()[0]!;
    const exact = 256 * (1 + 2 ** -12);
    expect(product()).toBe(exact);
    card.device.setTf32!(true);
    expect(product()).toBe(256);
    card.device.setTf32!(false);
    expect(product()).toBe(exact);
  });
});
