import { beforeEach, describe, expect, test } from "vitest";
import { failOnLeaks } from "../../test/leak-guard.ts";
import { operator } from "../tensor/native-operator.ts";
import { Runtime } from "../tensor/runtime.ts";
import { finish } from "../tensor/suspension.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Backward, backward, rootOf } from "./backward.ts";
import { noGrad } from "./grad-mode.ts";
import { historyOf, requiresGrad } from "./graph.ts";
import { gelu } from "./operators/activation.ts";
import { add, div, mul, where } from "./operators/arithmetic.ts";
import { embedding } from "./operators/embedding.ts";
import { linear } from "./operators/linear.ts";
import { crossEntropy } from "./operators/loss.ts";
import { addScalar, exp, neg, pow, scale, sqrt } from "./operators/pointwise.ts";
import { sum } from "./operators/reduction.ts";
import { contiguous, reshape } from "./operators/shape.ts";
import { split } from "./operators/slice.ts";
import { Parameter } from "./parameter.ts";
import { detach, markInput, variable } from "./record.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);

beforeEach(() => {
  runtime.seed(7);
});

const parameter = (...shape: number[]) => new Parameter(runtime.randn(shape, "float64"));

/** Runs a forward on an input, then I and W or all; returns the gradients of the input and of the parameters. */
function run(
  forward: (x: Tensor) => Tensor,
  parameters: readonly Parameter[],
  input: readonly number[],
  isSplit: boolean,
): (number[] | null)[] {
  return runtime.scope(() => {
    const x = runtime.tensor(input, [input.length / 4, 4], "float64");
    const leaf = markInput(x, true)!;
    const y = forward(x);
    const walk = new Backward([rootOf(y)!]);
    const gradient = runtime.ones(y.shape, "float64");
    if (isSplit) {
      finish(walk.backwardInputs([gradient]));
      expect(leaf.grad).not.toBeNull();
      for (const weight of parameters) expect(weight.grad).toBeNull();
      finish(walk.backwardWeights());
    } else {
      finish(walk.backward([gradient]));
    }
    walk.end();
    const gradients = [leaf, ...parameters].map(({ grad }) => grad?.toArray() ?? null);
    leaf.grad?.dispose();
    for (const weight of parameters) weight.grad = null;
    return gradients;
  });
}

const input = [0.1, -0.2, 0.3, 0.4, -0.5, 0.6, 0.7, -0.8];

function expectSplitEqualsWhole(forward: (x: Tensor) => Tensor, parameters: readonly Parameter[]) {
  const whole = run(forward, parameters, input, false);
  expect(run(forward, parameters, input, true)).toEqual(whole);
  for (const weight of parameters) weight.dispose();
  return whole;
}

describe("a split backward equals a whole one", () => {
  test("for tied weights, whose gradient is the sum of both uses", () => {
    const tied = parameter(4, 4);
    const first = new Parameter(runtime.tensor(tied.toArray(), [4, 4], "float64"));
    const second = new Parameter(runtime.tensor(tied.toArray(), [4, 4], "float64"));
    const untied = expectSplitEqualsWhole((x) => linear(gelu(linear(x, first)), second), [first, second]);
    const whole = expectSplitEqualsWhole((x) => linear(gelu(linear(x, tied)), tied), [tied]);
    whole[1]!.forEach((gradient, i) => {
      expect(gradient).toBeCloseTo(untied[1]![i]! + untied[2]![i]!, 12);
    });
  });

  test("for a normalized weight w = g v / |v|, whose whole chain belongs to W", () => {
    const v = parameter(4, 4);
    const g = parameter(4, 1);
    const weights: boolean[] = [];
    const [, gradV, gradG] = expectSplitEqualsWhole(
      (x) => {
        const weight = mul(g, div(v, sqrt(sum(pow(v, 2), [1], true))));
        weights.push(historyOf(weight)!.dependsOnStageInput);
        return linear(x, weight);
      },
      [v, g],
    );
    expect(weights).toEqual([false, false]);
    // The gradient of v is orthogonal to v, row by row.
    expect(gradV!.some((gradient) => Math.abs(gradient) > 1e-3)).toBe(true);
    expect(gradG).toHaveLength(4);
  });

  test("for an input used many times and a parameter that is added", () => {
    const bias = parameter(2, 4);
    const [gradX, gradBias] = expectSplitEqualsWhole(
      (x) => add(add(add(x, bias), neg(exp(x))), mul(x, x)),
      [bias],
    );
    expect(gradBias).toEqual(new Array(8).fill(1));
    input.forEach((x, i) => {
      expect(gradX![i]).toBeCloseTo(1 - Math.exp(x) + 2 * x, 12);
    });
  });

  test("for views that reach a leaf unchanged and are changed there", () => {
    const bias = parameter(2, 4);
    const [gradX, gradBias] = expectSplitEqualsWhole(
      (x) => {
        const shared = contiguous(add(reshape(contiguous(x), [2, 4]), bias));
        return add(shared, add(scale(x, 2), scale(x, 3)));
      },
      [bias],
    );
    expect(gradX).toEqual(new Array(8).fill(6));
    expect(gradBias).toEqual(new Array(8).fill(1));
  });
});

test("a frozen parameter gets no gradient and keeps nothing alive", () => {
  runtime.scope(() => {
    const weight = parameter(4, 4);
    weight.requiresGrad = false;
    const x = runtime.randn([2, 4], "float64");
    expect(requiresGrad(linear(x, weight))).toBe(false);
    const before = runtime.addon.numTensors();
    const leaf = markInput(x, true)!;
    const y = runtime.scope(() => linear(x, weight));
    expect(runtime.addon.numTensors()).toBe(before + 1);
    backward(y, [runtime.ones([2, 4], "float64")]);
    expect(weight.grad).toBeNull();
    expect(leaf.grad?.shape).toEqual([2, 4]);
    leaf.grad?.dispose();
    weight.dispose();
  });
});

test("I frees at once what W does not need", () => {
  runtime.scope(() => {
    const weight = parameter(4, 4);
    const x = runtime.scope(() => runtime.randn([2, 4], "float64"));
    const leaf = markInput(x, true)!;
    const y = runtime.scope(() => gelu(gelu(linear(gelu(x), weight))));
    const root = rootOf(y)!;
    const gradient = runtime.ones([2, 4], "float64");
    y.dispose();
    const before = runtime.addon.numTensors();
    const walk = new Backward([root]);
    finish(walk.backwardInputs([gradient]));
    // Gone: the inputs of the second and the third gelu. Come: the gradients of x and of the product. Kept: gelu(x).
    expect(runtime.addon.numTensors()).toBe(before - 2 + 2);
    finish(walk.backwardWeights());
    walk.end();
    // Gone: gelu(x), and the gradient of the product. Come: the gradient of the weight.
    expect(runtime.addon.numTensors()).toBe(before - 1);
    leaf.grad?.dispose();
    weight.dispose();
  });
});

test("several outputs, some of them without a gradient", () => {
  runtime.scope(() => {
    const x = runtime.tensor([1, 2, 3, 4], [4], "float64");
    const leaf = variable(x);
    const [first, second] = split(scale(x, 2), 2);
    backward([second!], [runtime.ones([2], "float64")]);
    expect(leaf.grad?.toArray()).toEqual([0, 0, 2, 2]);
    first!.dispose();
    leaf.grad?.dispose();
  });
});

test("gradients of several roots meet in one graph", () => {
  runtime.scope(() => {
    const x = runtime.tensor([1, 2], [2], "float64");
    const leaf = variable(x);
    const shared = exp(x);
    const one = runtime.ones([2], "float64");
    backward([shared, neg(shared), scale(shared, 3)], [one, one, one]);
    [1, 2].forEach((value, i) => {
      expect(leaf.grad?.toArray()[i]).toBeCloseTo(3 * Math.exp(value), 12);
    });
    leaf.grad?.dispose();
  });
});

test("a gradient that others hold is not changed", () => {
  runtime.scope(() => {
    const weight = parameter(4, 4);
    const step = () => backward(sum(linear(runtime.ones([2, 4], "float64"), weight)));
    step();
    const held = weight.grad!.share();
    step();
    expect(held.toArray()).toEqual(new Array(16).fill(2));
    expect(weight.grad!.toArray()).toEqual(new Array(16).fill(4));
    held.dispose();
    weight.dispose();
  });
});

test("a gradient that was given is not kept: it may be changed afterwards", () => {
  runtime.scope(() => {
    const x = runtime.zeros([2]);
    const leaf = variable(x);
    const given = runtime.ones([2]);
    backward(addScalar(x, 1), [given]);
    runtime.callInPlace(operator("aten::neg_"), given);
    expect(leaf.grad?.toArray()).toEqual([1, 1]);
    leaf.grad?.dispose();
  });
});

test("what is computed by a stage's indices, targets or conditions belongs to I, its weights to W", () => {
  runtime.scope(() => {
    const marked = (numbers: readonly number[], dtype: "int64" | "bool") => {
      const tensor = runtime.tensor(numbers, [2], dtype);
      markInput(tensor, false);
      return tensor;
    };
    const weight = parameter(2, 2);
    const outputs = [
      embedding(weight, marked([0, 1], "int64")),
      crossEntropy(weight, marked([0, 1], "int64")),
      where(marked([0, 1], "bool"), weight, weight),
    ];
    for (const output of outputs) expect(historyOf(output)!.dependsOnStageInput).toBe(true);
    expect(historyOf(neg(weight))!.dependsOnStageInput).toBe(false);
    const walk = new Backward([rootOf(neg(outputs[0]!))!]);
    finish(walk.backwardInputs([runtime.ones([2, 2], "float64")]));
    expect(weight.grad).toBeNull();
    finish(walk.backwardWeights());
    walk.end();
    expect(weight.grad?.toArray()).toEqual([-1, -1, -1, -1]);
    weight.dispose();
  });
});

test("noGrad records nothing, but what comes of a stage's inputs is still known", () => {
  runtime.scope(() => {
    const weight = parameter(4, 4);
    const x = runtime.randn([2, 4], "float64");
    markInput(x, true);
    const y = noGrad(runtime, () => linear(x, weight));
    expect(requiresGrad(y)).toBe(false);
    expect(rootOf(y)).toBeNull();
    expect(() => backward(y)).toThrow("depends on no parameter");
    const output = linear(y, weight);
    expect(historyOf(output)!.dependsOnStageInput).toBe(true);
    new Backward([rootOf(output)!]).end();
    weight.dispose();
  });
});

test("a detached tensor stops the gradient", () => {
  runtime.scope(() => {
    const x = runtime.tensor([3], [1], "float64");
    const leaf = variable(x);
    backward(mul(detach(x), x));
    expect(leaf.grad?.toArray()).toEqual([3]);
    leaf.grad?.dispose();
  });
});

test("a backward of more than one element needs gradients", () => {
  runtime.scope(() => {
    const x = runtime.ones([2]);
    variable(x);
    expect(() => backward(neg(x))).toThrow("starts at a scalar; got the shape [2]");
  });
});

test("a second backward through one graph is an error", () => {
  runtime.scope(() => {
    const x = runtime.ones([]);
    const leaf = variable(x);
    const y = exp(x);
    backward(y);
    expect(() => backward(y)).toThrow("the backward of exp ran already");
    leaf.grad?.dispose();
  });
});

test("gradients of many micro-batches accumulate into one sum", () => {
  const weight = parameter(4, 4);
  runtime.scope(() => {
    for (let i = 1; i <= 5; i++)
      runtime.scope(() => backward(sum(linear(runtime.full([2, 4], i, "float64"), weight))));
    expect(weight.grad?.toArray()).toEqual(new Array(16).fill(2 * (1 + 2 + 3 + 4 + 5)));
  });
  weight.dispose();
});
