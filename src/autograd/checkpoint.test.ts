import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Loopback } from "../../test/autograd/loopback.ts";
import { failOnLeaks } from "../../test/leak-guard.ts";
import { Runtime } from "../tensor/runtime.ts";
import { finish, type Suspendable } from "../tensor/suspension.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Backward, rootOf } from "./backward.ts";
import { checkpoint, suspendableCheckpoint } from "./checkpoint.ts";
import { noGrad } from "./grad-mode.ts";
import { historyOf, Leaf, requiresGrad } from "./graph.ts";
import { gelu } from "./operators/activation.ts";
import { add, mul } from "./operators/arithmetic.ts";
import { dropout } from "./operators/dropout.ts";
import { embedding } from "./operators/embedding.ts";
import { linear } from "./operators/linear.ts";
import { exp } from "./operators/pointwise.ts";
import { Parameter } from "./parameter.ts";
import { detach, markInput, record } from "./record.ts";

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

/** Outputs, and gradients of the input, the weight and the bias, after a whole or a split backward. */
function run(forward: (x: Tensor) => readonly Tensor[], isSplit: boolean, reached?: readonly boolean[]) {
  return runtime.scope(() => {
    runtime.seed(5);
    const x = runtime.randn([3, 4], "float64");
    const leaf = markInput(x, true)!;
    const outputs = forward(x);
    const used = outputs.filter((_, i) => reached?.[i] ?? true);
    const elements = outputs.map((output) => output.toArray());
    const walk = new Backward(used.map((output) => rootOf(output)!));
    const gradients = used.map((output, i) => runtime.full(output.shape, i + 1, "float64"));
    runtime.randn([5]);
    if (isSplit) {
      finish(walk.backwardInputs(gradients));
      expect([weight.grad, bias.grad]).toEqual([null, null]);
      expect(leaf.grad).not.toBeNull();
      finish(walk.backwardWeights());
    } else {
      finish(walk.backward(gradients));
    }
    walk.end();
    const random = runtime.randn([1]).item();
    return { elements, random, gradients: takeGradients([leaf, weight, bias]) };
  });
}

function takeGradients(leaves: readonly (Leaf | Parameter)[]): (number[] | null)[] {
  return leaves.map((leaf) => {
    const elements = leaf.grad?.toArray() ?? null;
    if (leaf instanceof Parameter) leaf.grad = null;
    else leaf.grad?.dispose();
    return elements;
  });
}

type Body = (x: Tensor) => readonly Tensor[];

const bodies: Record<string, Body> = {
  "of a block with parameters": (x) => [gelu(linear(gelu(linear(x, weight, bias)), weight))],
  "with dropout": (x) => [dropout(gelu(linear(dropout(x, 0.4), weight, bias)), 0.3)],
  "with several outputs": (x) => {
    const h = linear(x, weight);
    return [gelu(h), mul(h, bias), exp(x)];
  },
  "that hands its input through": (x) => [x, linear(x, weight)],
};

describe.each(Object.entries(bodies))("a checkpoint %s", (_, body) => {
  test.each([false, true])("has the same outputs and gradients (split: %s)", (isSplit) => {
    const wrapped = (x: Tensor) => checkpoint((h) => body(h), x);
    expect(run(wrapped, isSplit)).toEqual(run(body, isSplit));
  });

  test.each([false, true])("has the same gradients inside another checkpoint (split: %s)", (isSplit) => {
    const wrapped = (x: Tensor) => checkpoint((h) => checkpoint((inner) => body(inner), exp(h)), x);
    expect(run(wrapped, isSplit)).toEqual(run((x) => body(exp(x)), isSplit));
  });
});

test("outputs without a gradient are left out", () => {
  const body = bodies["with several outputs"]!;
  fc.assert(
    fc.property(fc.tuple(fc.boolean(), fc.boolean()), fc.boolean(), (rest, isSplit) => {
      const reached = [true, ...rest];
      const wrapped = (x: Tensor) => checkpoint((h) => body(h), x);
      expect(run(wrapped, isSplit, reached)).toEqual(run(body, isSplit, reached));
    }),
  );
});

test("a parameter among the inputs gets its gradient in W", () => {
  const plain = run((x) => [linear(x, weight, bias)], true);
  expect(run((x) => [checkpoint((h, w, b) => linear(h, w, b), x, weight, bias)], true)).toEqual(plain);
  expect(run((x) => [checkpoint((h, w, b) => linear(h, w, b), x, weight, bias)], false)).toEqual(plain);
});

test("a parameter that the body returns is still a parameter", () => {
  runtime.scope(() => {
    const x = runtime.ones([2, 4], "float64");
    const leaf = markInput(x, true)!;
    const [y, same] = checkpoint((h, w) => [linear(h, w), w], x, weight);
    expect(same).not.toBe(weight);
    expect(historyOf(weight)!.source).toBeInstanceOf(Leaf);
    const walk = new Backward([rootOf(y!)!, rootOf(same!)!]);
    finish(walk.backward([runtime.ones([2, 4], "float64"), runtime.ones([4, 4], "float64")]));
    walk.end();
    expect(weight.grad?.toArray()).toEqual(new Array(16).fill(3));
    leaf.grad?.dispose();
  });
});

test("the body runs once more for I and W together", () => {
  let numRuns = 0;
  run((x) => {
    const y = checkpoint((h) => {
      numRuns++;
      return linear(h, weight, bias);
    }, x);
    expect(numRuns).toBe(1);
    return [y];
  }, true);
  expect(numRuns).toBe(2);
});

test("a body whose only gradients are those of its parameters runs again too", () => {
  runtime.scope(() => {
    const tokens = runtime.tensor([0, 2, 2], [3], "int64");
    markInput(tokens, false);
    const y = checkpoint((indices) => linear(embedding(weight, indices), weight), tokens);
    const walk = new Backward([rootOf(y)!]);
    finish(walk.backwardInputs([runtime.ones([3, 4], "float64")]));
    expect(weight.grad).toBeNull();
    finish(walk.backwardWeights());
    walk.end();
    expect(weight.grad?.shape).toEqual([4, 4]);
  });
});

test("it keeps its inputs only, and recomputes one block at a time", () => {
  const { device } = runtime;
  const numBlocks = 6;
  const block = (h: Tensor) => gelu(gelu(gelu(h)));
  const measure = (step: (h: Tensor) => Tensor) =>
    runtime.scope(() => {
      const x = runtime.ones([10_000]);
      const leaf = markInput(x, true)!;
      const { liveBytes } = device.memory();
      device.resetPeakBytes();
      const y = runtime.scope(() => {
        let h = x;
        for (let i = 0; i < numBlocks; i++) h = runtime.scope(() => step(h));
        return h;
      });
      const kept = device.memory().liveBytes - liveBytes;
      const walk = new Backward([rootOf(y)!]);
      finish(walk.backward([runtime.ones([10_000])]));
      walk.end();
      leaf.grad?.dispose();
      return { kept: kept / x.numBytes, peak: (device.memory().peakBytes - liveBytes) / x.numBytes };
    });
  const plain = measure(block);
  const saving = measure((h) => checkpoint(block, h));
  expect(Math.floor(plain.kept)).toBe(3 * numBlocks);
  expect(Math.floor(saving.kept)).toBe(numBlocks);
  expect(saving.peak).toBeLessThan(plain.peak - numBlocks);
});

test("under noGrad the body just runs", () => {
  runtime.scope(() => {
    const x = runtime.ones([2, 4], "float64");
    expect(requiresGrad(noGrad(runtime, () => checkpoint((h) => linear(h, weight), x)))).toBe(false);
  });
});

describe("nothing leaks", () => {
  test("when a body throws the first time, or the second", () => {
    const failAt = (time: number) => {
      let numRuns = 0;
      runtime.scope(() => {
        const x = runtime.ones([2, 4], "float64");
        const leaf = markInput(x, true)!;
        const forward = () =>
          checkpoint((h) => {
            const y = gelu(linear(h, weight));
            if (++numRuns === time) throw new Error("planted");
            return y;
          }, x);
        if (time === 1) return expect(forward).toThrow("planted");
        const walk = new Backward([rootOf(forward())!]);
        expect(() => finish(walk.backward([runtime.ones([2, 4], "float64")]))).toThrow("planted");
        walk.end();
        return leaf.grad?.dispose();
      });
    };
    failAt(1);
    failAt(2);
    expect(runtime.gradEnabled).toBe(true);
  });

  test("when the backward inside throws after a gradient reached an input", () => {
    const failing = (h: Tensor) => {
      const y = exp(detach(h));
      record("failing", [h], [y], [], () => {
        throw new Error("planted");
      });
      return y;
    };
    runtime.scope(() => {
      const x = runtime.ones([2, 4], "float64");
      markInput(x, true);
      const walk = new Backward([rootOf(checkpoint((h) => add(h, failing(h)), x))!]);
      expect(() => finish(walk.backwardInputs([runtime.ones([2, 4], "float64")]))).toThrow("planted");
      walk.end();
    });
  });

  test("when a W never comes", () => {
    runtime.scope(() => {
      const x = runtime.ones([2, 4], "float64");
      const leaf = markInput(x, true)!;
      const y = checkpoint((h, w) => linear(gelu(linear(h, weight)), w), x, weight);
      const walk = new Backward([rootOf(y)!]);
      finish(walk.backwardInputs([runtime.ones([2, 4], "float64")]));
      walk.end();
      leaf.grad?.dispose();
    });
  });
});

describe("a checkpoint that communicates", () => {
  let link: Loopback;
  beforeEach(() => {
    link = new Loopback(runtime, "checkpoint");
  });
  afterEach(() => link.close());

  function* body(x: Tensor): Suspendable<Tensor> {
    const h = yield* link.exchange("a", dropout(linear(x, weight), 0.5));
    return add(dropout(gelu(h), 0.5), bias);
  }

  test.each([false, true])("has the same gradients (split: %s)", (isSplit) => {
    const plain = run((x) => [finish(runtime.suspendableScope(body(x)))], isSplit);
    expect(run((x) => [finish(suspendableCheckpoint(body, x))], isSplit)).toEqual(plain);
  });

  test("draws the same random numbers again although others drew in between", () => {
    const interleaved = (isWrapped: boolean) =>
      run((x) => {
        const steps = isWrapped ? suspendableCheckpoint(body, x) : runtime.suspendableScope(body(x));
        for (;;) {
          const step = steps.next();
          if (step.done) return [step.value];
          runtime.scope(() => runtime.randn([7]));
        }
      }, true);
    expect(interleaved(true)).toEqual(interleaved(false));
  });

  test("frees everything when it is abandoned, in the forward or in the backward", () => {
    runtime.scope(() => {
      const x = runtime.ones([2, 4], "float64");
      const leaf = markInput(x, true)!;
      const forward = suspendableCheckpoint(body, x);
      forward.next();
      forward.return(x);
      link.discard();
      expect(runtime.gradEnabled).toBe(true);
      const walk = new Backward([rootOf(finish(suspendableCheckpoint(body, x)))!]);
      const steps = walk.backwardInputs([runtime.ones([2, 4], "float64")]);
      steps.next();
      steps.return();
      link.discard();
      walk.end();
      expect(leaf.grad).toBeNull();
    });
  });
});
