import { describe, expect, test } from "vitest";
import { failOnLeaks } from "../../test/leak-guard.ts";
import * as kernels from "../tensor/kernels/index.ts";
import { Runtime } from "../tensor/runtime.ts";
import { finish } from "../tensor/suspension.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Backward, backward, rootOf } from "./backward.ts";
import { checkpoint } from "./checkpoint.ts";
import { add } from "./operators/arithmetic.ts";
import { scale } from "./operators/pointwise.ts";
import { sum } from "./operators/reduction.ts";
import { markInput, record, variable } from "./record.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);

/** `sum of i x_i`, whose rule is a list. */
function weightedSum(tensors: readonly Tensor[]): Tensor {
  const weights = tensors.map((_, i) => runtime.full([], i + 1));
  const products = tensors.map((tensor, i) => kernels.mul(tensor, weights[i]!));
  const y = products.reduce((a, b) => kernels.add(a, b));
  const saves = weights.map((weight, i) => [weight, i] as const);
  return record("weightedSum", tensors, y, saves, (node) =>
    tensors.map((_, i) => (node.wants(i) ? kernels.mul(node.gradient, node.saved(i)) : null)),
  );
}

const functions = {
  "an operation": weightedSum,
  "a checkpoint": (tensors: readonly Tensor[]) =>
    checkpoint(
      (...inputs) => inputs.map((input, i) => scale(input, i + 1)).reduce((a, b) => add(a, b)),
      ...tensors,
    ),
};

describe.each(Object.entries(functions))("%s", (_name, compute) => {
  test.each([31, 32, 33, 64, 100])("keeps I and W apart with %i inputs", (numInputs) => {
    runtime.scope(() => {
      const tensors = Array.from({ length: numInputs }, (_, i) => runtime.full([2], i));
      // By turns a weight, a stage's input, and a tensor without a gradient; the last input is a stage's.
      const roles = tensors.map((_, i) =>
        i === numInputs - 1 ? "input" : (["weight", "input", "data"] as const)[i % 3]!,
      );
      const leaves = tensors.map((tensor, i) => {
        if (roles[i] === "data") return undefined;
        return roles[i] === "weight" ? variable(tensor) : markInput(tensor, true);
      });
      const gradients = () => leaves.map((leaf) => leaf?.grad?.toArray() ?? null);
      const expected = (...wanted: string[]) =>
        roles.map((role, i) => (wanted.includes(role) ? [i + 1, i + 1] : null));
      const walk = new Backward([rootOf(compute(tensors))!]);
      finish(walk.backwardInputs([runtime.ones([2])]));
      expect(gradients()).toEqual(expected("input"));
      finish(walk.backwardWeights());
      walk.end();
      expect(gradients()).toEqual(expected("input", "weight"));
      for (const leaf of leaves) leaf?.grad?.dispose();
    });
  });
});

describe("names", () => {
  const product = (a: Tensor, b: Tensor) => {
    const y = kernels.mul(a, b);
    return record("product", { a, b }, y, { a: [a, "b"], b: [b, "a"] }, (dy, { a, b }) => ({
      a: () => kernels.mul(dy, b),
      b: () => kernels.mul(dy, a),
    }));
  };

  test("tie gradients to inputs, and saved tensors to the gradients that need them", () => {
    runtime.scope(() => {
      const [a, b] = [runtime.full([2], 3), runtime.full([2], 5)];
      const leaf = variable(a);
      const before = runtime.addon.numTensors();
      const y = product(a, b);
      expect(runtime.addon.numTensors()).toBe(before + 1);
      backward(sum(y));
      expect(leaf.grad?.toArray()).toEqual([5, 5]);
      leaf.grad?.dispose();
    });
  });

  test("of the inputs are the names of the gradients", () => {
    // The compiler checks these: each of them has a name that is not there.
    const misspelt = (x: Tensor) => [
      // @ts-expect-error
      record("misspelt", { x }, x, { x }, (dy, { z }) => ({ x: kernels.mul(dy, z) })),
      // @ts-expect-error
      record("misspelt", { x }, x, { x }, (dy) => ({ z: dy })),
      // @ts-expect-error
      record("misspelt", { x }, x, { x: [x, "z"] }, (dy) => ({ x: dy })),
      // @ts-expect-error
      record("misspelt", { x }, x, { x }, (dy, _saved, node) => ({ x: node.wants("z") ? dy : null })),
    ];
    expect(misspelt).toBeTypeOf("function");
  });
});

test("a rule over lists that computes a gradient which is not wanted is told what to do", () => {
  runtime.scope(() => {
    const [a, b] = [runtime.ones([2]), runtime.ones([2])];
    variable(a);
    const y = kernels.mul(a, b);
    const saves = [[b, 0] as const, [a, 1] as const];
    record("product", [a, b], [y], saves, (node) => [
      kernels.mul(node.gradient, node.saved(0)),
      kernels.mul(node.gradient, node.saved(1)),
    ]);
    const failure = () => backward(sum(y));
    expect(failure).toThrow(
      expect.objectContaining({
        code: "SAVED_TENSOR_MISSING",
        problem: expect.stringMatching(/product: saved tensor 1 of 2 .* only where node.wants\(input\)/),
      }),
    );
  });
});

test("a rule over lists asks for what it saved by position", () => {
  runtime.scope(() => {
    const [a, b] = [runtime.full([2], 3), runtime.full([2], 5)];
    const leaves = [variable(a), variable(b)];
    const y = kernels.mul(a, b);
    const saves = [[b, 0] as const, [a, 1] as const];
    record("product", [a, b], [y], saves, (node) => [
      node.wants(0) ? kernels.mul(node.gradient, node.saved(0)) : null,
      node.wants(1) ? kernels.mul(node.gradient, node.saved(1)) : null,
    ]);
    backward(sum(y));
    expect(leaves.map((leaf) => leaf.grad?.toArray())).toEqual([
      [5, 5],
      [3, 3],
    ]);
    for (const leaf of leaves) leaf.grad?.dispose();
  });
});
