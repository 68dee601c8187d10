import { describe, expect, test } from "vitest";
import { failOnLeaks } from "../../test/leak-guard.ts";
import * as kernels from "../tensor/kernels/index.ts";
import { Runtime } from "../tensor/runtime.ts";
import { finish } from "../tensor/suspension.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Backward, backward, rootOf } from "./backward.ts";
import { record } from "./custom-function.ts";
import type { Gradient } from "./graph.ts";
import { scale } from "./operators/pointwise.ts";
import { sum } from "./operators/reduction.ts";
import { Parameter } from "./parameter.ts";
import { markInput } from "./record.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);

/** What `p.grad` is after the backward, or the problem that it reports; `p` is float32[3] and 1. */
function outcome(body: (p: Parameter) => void): string {
  return runtime.scope(() => {
    const p = new Parameter(runtime.ones([3]));
    try {
      body(p);
      return `${p.grad?.dtype}[${p.grad?.shape}] ${p.grad?.toArray()}`;
    } catch (error) {
      return (error as Error).message;
    } finally {
      p.dispose();
    }
  });
}

describe("a gradient that a caller gives", () => {
  test.each<[string, (p: Parameter) => void, RegExp]>([
    [
      "larger",
      (p) => backward(scale(p, 2), [runtime.ones([4, 3])]),
      /must be float32\[3\].*got float32\[4, 3\]/,
    ],
    ["smaller", (p) => backward(scale(p, 2), [runtime.ones([1])]), /must be float32\[3\].*got float32\[1\]/],
    ["wider", (p) => backward(scale(p, 2), runtime.ones([3], "float64")), /got float64\[3\]/],
    ["no tensor", (p) => backward(scale(p, 2), [1 as never]), /must be a tensor; got 1/],
    ["too many", (p) => backward(scale(p, 2), [runtime.ones([3]), runtime.ones([3])]), /got 2 for 1 outputs/],
    ["too few", (p) => backward([scale(p, 2), scale(p, 3)], [runtime.ones([3])]), /got 1 for 2 outputs/],
    ["for nothing", () => backward([], []), /at least one output/],
    [
      "set",
      (p) => {
        const gradient = runtime.ones([1]);
        p.grad = gradient;
      },
      /must be float32\[3\].*got float32\[1\]/,
    ],
  ])("%s is refused", (_, body, message) => {
    expect(outcome(body)).toMatch(message);
  });
});

describe("a gradient that a custom function gives", () => {
  const bias = (b: Tensor, rule: (dy: Tensor) => readonly Gradient[]) => {
    const x = runtime.ones([4, 3]);
    return sum(record("bias", [x, b], kernels.add(x, b), [], (node) => rule(node.gradient)));
  };
  const named = (b: Tensor, rule: (dy: Tensor) => object) => {
    const x = runtime.ones([4, 3]);
    return sum(record("bias", { x, b }, kernels.add(x, b), {}, (dy) => rule(dy) as { x: null; b: Tensor }));
  };

  test("is summed where it is a broadcast, and converted, as in PyTorch", () => {
    expect(outcome((p) => backward(bias(p, (dy) => [dy, dy])))).toBe("float32[3] 4,4,4");
    const wide = (dy: Tensor) => kernels.toDtype(dy, "float64");
    expect(outcome((p) => backward(bias(p, (dy) => [dy, () => wide(dy)])))).toBe("float32[3] 4,4,4");
    expect(outcome((p) => backward(named(p, (dy) => ({ x: dy, b: dy }))))).toBe("float32[3] 4,4,4");
  });

  test.each<[string, (dy: Tensor) => readonly Gradient[], RegExp]>([
    [
      "smaller",
      (dy) => [dy, kernels.sum(dy, null)],
      /bias: the gradient of input 1 must be float32\[3\].*float32\[\]/,
    ],
    ["askew", (dy) => [dy, () => kernels.transpose(dy, 0, 1)], /input 1 .* got float32\[3, 4\]/],
    ["missing", (dy) => [dy], /bias: its rule must return a list .* \(2\).*; got 1/],
    ["one too many", (dy) => [dy, dy, dy], /got 3/],
    ["undefined", (dy) => [dy, undefined as never], /input 1 .* got undefined; give null/],
    ["alone", (dy) => dy as never, /got a tensor/],
  ])("%s is refused, with the function's name", (_, rule, message) => {
    expect(outcome((p) => backward(bias(p, rule)))).toMatch(message);
  });

  test("under a wrong name is refused, with the names", () => {
    expect(outcome((p) => backward(named(p, (dy) => ({ x: dy, bias: dy }))))).toMatch(
      /\(x, b\).*got x, bias/,
    );
    expect(outcome((p) => backward(named(p, (dy) => ({ x: dy }))))).toMatch(/\(x, b\).*got x/);
  });
});

const products: Record<string, (a: Tensor, b: Tensor) => Tensor> = {
  "by position": (a, b) =>
    record("product", [a, b], kernels.mul(a, b), [[b, 0] as const, [a, 1] as const], (node) => [
      kernels.mul(node.gradient, node.saved(0)),
      kernels.mul(node.gradient, node.saved(1)),
    ]),
  "by name": (a, b) =>
    record("product", { a, b }, kernels.mul(a, b), { a: [a, "b"], b: [b, "a"] }, (dy, { a, b }) => ({
      a: kernels.mul(dy, b),
      b: kernels.mul(dy, a),
    })),
};

describe.each(Object.entries(products))(
  "a rule that computes all gradients whenever it runs, %s,",
  (_, product) => {
    test("works where only one is wanted", () => {
      expect(outcome((p) => backward(sum(product(runtime.full([3], 5), p))))).toBe("float32[3] 5,5,5");
      expect(outcome((p) => backward(sum(product(p, runtime.full([3], 5)))))).toBe("float32[3] 5,5,5");
    });

    test.each([false, true])("works in both halves (split: %s)", (isSplit) => {
      runtime.scope(() => {
        const [x, w] = [runtime.full([2], 3), new Parameter(runtime.full([2], 5))];
        const leaf = markInput(x, true)!;
        const walk = new Backward([rootOf(product(x, w))!]);
        if (isSplit) {
          finish(walk.backwardInputs([runtime.ones([2])]));
          expect([leaf.grad?.toArray(), w.grad]).toEqual([[5, 5], null]);
          finish(walk.backwardWeights());
        } else {
          finish(walk.backward([runtime.ones([2])]));
        }
        walk.end();
        expect([leaf.grad?.toArray(), w.grad?.toArray()]).toEqual([
          [5, 5],
          [3, 3],
        ]);
        leaf.grad?.dispose();
        w.dispose();
      });
    });
  },
);
