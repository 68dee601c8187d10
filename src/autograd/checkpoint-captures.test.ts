// A checkpoint's body that uses tensors of the code around it gives what the same code gives without a checkpoint.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Loopback } from "../../test/autograd/loopback.ts";
import { failOnLeaks } from "../../test/leak-guard.ts";
import { operator } from "../tensor/native-operator.ts";
import { Runtime } from "../tensor/runtime.ts";
import { finish, type Suspendable } from "../tensor/suspension.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Backward, rootOf } from "./backward.ts";
import { checkpoint, suspendableCheckpoint } from "./checkpoint.ts";
import { historyOf, requiresGrad } from "./graph.ts";
import { gelu } from "./operators/activation.ts";
import { mul } from "./operators/arithmetic.ts";
import { linear } from "./operators/linear.ts";
import { exp } from "./operators/pointwise.ts";
import { Parameter } from "./parameter.ts";
import { markInput } from "./record.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);
let weight: Parameter;
let bias: Parameter;

beforeEach(() => {
  runtime.seed(11);
  weight = new Parameter(runtime.randn([4, 4], "float64"));
  bias = new Parameter(runtime.randn([4], "float64"));
});

afterEach(() => {
  weight.dispose();
  bias.dispose();
});

type Body = (x: Tensor) => readonly Tensor[];

/** Outputs, and gradients of the input, the weight and the bias, after a whole or a split backward. */
function run(forward: Body, isSplit: boolean) {
  return runtime.scope(() => {
    runtime.seed(5);
    const x = runtime.randn([3, 4], "float64");
    const leaf = markInput(x, true)!;
    // As in a module: what the forward makes is disposed before the backward runs.
    const outputs = runtime.scope(() => forward(x));
    const elements = outputs.map((output) => output.toArray());
    const walk = new Backward(outputs.map((output) => rootOf(output)!));
    const gradients = outputs.map((output, i) => runtime.full(output.shape, i + 1, "float64"));
    if (isSplit) {
      finish(walk.backwardInputs(gradients));
      expect([weight.grad, bias.grad]).toEqual([null, null]);
      finish(walk.backwardWeights());
    } else finish(walk.backward(gradients));
    walk.end();
    const ofLeaves = [leaf, weight, bias].map(({ grad }) => grad?.toArray());
    leaf.grad?.dispose();
    [weight.grad, bias.grad] = [null, null];
    return { elements, gradients: ofLeaves };
  });
}

describe("a tensor that the body captures", () => {
  const gate = () => gelu(linear(runtime.ones([3, 4], "float64"), weight, bias));
  const captures: Record<string, { captured: Body; plain: Body }> = {
    "computed from parameters": {
      captured: (x) => {
        const g = gate();
        return [checkpoint((h) => mul(linear(h, weight), g), x)];
      },
      plain: (x) => [mul(linear(x, weight), gate())],
    },
    "computed from the stage's input": {
      captured: (x) => {
        const g = exp(x);
        return [checkpoint((h) => mul(linear(h, weight), g), x)];
      },
      plain: (x) => [mul(linear(x, weight), exp(x))],
    },
    "the stage's input itself": {
      captured: (x) => [checkpoint((h) => mul(linear(h, weight), x), exp(x))],
      plain: (x) => [mul(linear(exp(x), weight), x)],
    },
    "without a gradient": {
      captured: (x) => {
        const mask = runtime.tensor([1, 0, 1, 0], [4], "float64");
        return [checkpoint((h) => mul(linear(h, weight), mask), x)];
      },
      plain: (x) => [mul(linear(x, weight), runtime.tensor([1, 0, 1, 0], [4], "float64"))],
    },
    "that it returns": {
      captured: (x) => {
        const g = gate();
        return checkpoint((h) => [linear(h, weight), g], x);
      },
      plain: (x) => [linear(x, weight), gate()],
    },
    "in a checkpoint inside of it": {
      captured: (x) => {
        const g = gate();
        return [checkpoint((h) => checkpoint((inner) => mul(gelu(inner), mul(g, x)), linear(h, weight)), x)];
      },
      plain: (x) => [mul(gelu(linear(x, weight)), mul(gate(), x))],
    },
    "in two checkpoints": {
      captured: (x) => {
        const g = gate();
        const half = (y: Tensor) => checkpoint((h) => mul(linear(h, weight), g), y);
        return [half(half(x))];
      },
      plain: (x) => {
        const g = gate();
        return [mul(linear(mul(linear(x, weight), g), weight), g)];
      },
    },
  };

  test.each(
    Object.entries(captures).flatMap(([name, bodies]) =>
      [false, true].map((split) => [name, split, bodies] as const),
    ),
  )("%s has its value and its gradient (split: %s)", (_, isSplit, { captured, plain }) => {
    expect(run(captured, isSplit)).toEqual(run(plain, isSplit));
  });

  test("is what it was before, while the rest of the body is suspended", () => {
    const link = new Loopback(runtime, "capture");
    runtime.scope(() => {
      const x = runtime.ones([3, 4], "float64");
      const leaf = markInput(x, true)!;
      const g = gate();
      const forward = suspendableCheckpoint(function* (h): Suspendable<Tensor> {
        return mul(yield* link.exchange("a", h), g);
      }, x);
      const walk = new Backward([rootOf(finish(forward))!]);
      const steps = walk.backwardInputs([runtime.ones([3, 4], "float64")]);
      const source = historyOf(g)!.source;
      expect(steps.next().done).toBe(false);
      expect(historyOf(g)!.source).toBe(source);
      steps.return();
      link.discard();
      expect(historyOf(g)!.source).toBe(source);
      walk.end();
      leaf.grad?.dispose();
    });
    link.close();
  });

  test("is kept once, and what the body makes is not kept", () => {
    const { device } = runtime;
    runtime.scope(() => {
      const x = runtime.ones([100_000]);
      markInput(x, true);
      const mask = runtime.ones([100_000]);
      const before = device.memory().liveBytes;
      const y = checkpoint((h) => mul(mul(mul(h, runtime.ones([100_000])), mask), mask), x);
      expect(Math.floor((device.memory().liveBytes - before) / x.numBytes)).toBe(1);
      expect(requiresGrad(y)).toBe(true);
    });
  });

  test("is refused when only an operator without a gradient uses it, with what to write", () => {
    const isPositive = operator("aten::gt", "Scalar");
    runtime.scope(() => {
      const x = runtime.ones([2], "float64");
      markInput(x, true);
      const y = runtime.scope(() => {
        const level = runtime.ones([2], "float64");
        return checkpoint((h) => mul(h, runtime.call(isPositive, level, 0)), x);
      });
      const walk = new Backward([rootOf(y)!]);
      expect(() => finish(walk.backward([runtime.ones([2], "float64")]))).toThrow(
        "uses a tensor that was disposed after its first run; pass the tensor to the checkpoint",
      );
      walk.end();
    });
  });
});

test("a checkpoint without inputs is refused", () => {
  expect(() => checkpoint(() => weight)).toThrow("a checkpoint must have at least one input; got none");
});
