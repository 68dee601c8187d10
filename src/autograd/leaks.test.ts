import { beforeEach, describe, expect, test } from "vitest";
import { failOnLeaks } from "../../test/leak-guard.ts";
import { operator } from "../tensor/native-operator.ts";
import { Runtime } from "../tensor/runtime.ts";
import { finish } from "../tensor/suspension.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Backward, backward, rootOf } from "./backward.ts";
import { gelu } from "./operators/activation.ts";
import { add } from "./operators/arithmetic.ts";
import { linear } from "./operators/linear.ts";
import { mseLoss } from "./operators/loss.ts";
import { exp, neg, scale } from "./operators/pointwise.ts";
import { sum } from "./operators/reduction.ts";
import { Parameter } from "./parameter.ts";
import { markInput, record, variable } from "./record.ts";

const runtime = Runtime.load();
const numLive = failOnLeaks(runtime);

beforeEach(() => {
  runtime.seed(7);
});

const parameter = (...shape: number[]) => new Parameter(runtime.randn(shape, "float64"));

describe("nothing leaks", () => {
  test("when a graph is dropped without a backward", () => {
    const weight = parameter(4, 4);
    runtime.scope(() => {
      const x = runtime.randn([2, 4], "float64");
      markInput(x, true);
      mseLoss(gelu(linear(gelu(linear(x, weight)), weight)), runtime.zeros([2, 4], "float64"));
    });
    weight.dispose();
  });

  test("when a root is released without a backward", () => {
    const weight = parameter(4, 4);
    const root = runtime.scope(() => rootOf(gelu(linear(runtime.randn([2, 4], "float64"), weight)))!);
    expect(numLive()).toBeGreaterThan(2);
    new Backward([root]).end();
    weight.dispose();
  });

  test("when a W never comes", () => {
    const weight = parameter(4, 4);
    runtime.scope(() => {
      const x = runtime.randn([2, 4], "float64");
      const leaf = markInput(x, true)!;
      const y = linear(gelu(linear(x, weight)), weight);
      const walk = new Backward([rootOf(y)!]);
      finish(walk.backwardInputs([runtime.ones([2, 4], "float64")]));
      walk.end();
      expect(weight.grad).toBeNull();
      leaf.grad?.dispose();
    });
    weight.dispose();
  });

  test("when a backward throws in the middle, and the rest of the graph can still be used", () => {
    const failing = (x: Tensor) => {
      const y = runtime.call(operator("aten::clone"), x);
      record("failing", [x], [y], [[x, 0]], (node) => {
        runtime.call(operator("aten::neg"), node.gradient);
        throw new Error("planted");
      });
      return y;
    };
    runtime.scope(() => {
      const x = runtime.tensor([1, 2], [2], "float64");
      const leaf = variable(x);
      const shared = scale(x, 2);
      // The negation is newer, so it delivers to the shared node before the failing one throws.
      const failed = failing(shared);
      const y = sum(add(neg(shared), failed));
      expect(() => backward(y)).toThrow("planted");
      expect(leaf.grad).toBeNull();
      backward(sum(exp(shared)));
      [1, 2].forEach((value, i) => {
        expect(leaf.grad?.toArray()[i]).toBeCloseTo(2 * Math.exp(2 * value), 10);
      });
      leaf.grad?.dispose();
    });
  });
});
