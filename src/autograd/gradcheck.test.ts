import { expect, test } from "vitest";
import { failOnLeaks } from "../../test/leak-guard.ts";
import * as kernels from "../tensor/kernels/index.ts";
import { operator } from "../tensor/native-operator.ts";
import { Runtime } from "../tensor/runtime.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { record } from "./custom-function.ts";
import { gradcheck } from "./gradcheck.ts";
import { mul } from "./operators/arithmetic.ts";
import { dropout } from "./operators/dropout.ts";
import { embedding } from "./operators/embedding.ts";
import { linear } from "./operators/linear.ts";
import { split } from "./operators/slice.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);

const check = (compute: (...inputs: Tensor[]) => Tensor | Tensor[], ...shapes: number[][]) =>
  runtime.scope(() =>
    gradcheck(
      compute,
      shapes.map((shape) => runtime.randn(shape)),
    ),
  );

test("right rules pass: several inputs, several outputs, random numbers, indices", () => {
  check((x, w, b) => linear(x!, w!, b!), [2, 3], [4, 3], [4]);
  check((x) => split(mul(x!, x!), [1, 2]), [3, 2]);
  check((x) => dropout(x!, 0.5), [8]);
  runtime.scope(() =>
    gradcheck(
      (table, rows) => embedding(table, rows),
      [runtime.randn([3, 2]), runtime.tensor([2, 0, 2], [3], "int64")],
    ),
  );
});

test("the random numbers of the caller go on as if it had not run", () => {
  runtime.scope(() => {
    const x = runtime.randn([2]);
    runtime.seed(3);
    gradcheck((x) => dropout(x, 0.5), [x]);
    const after = runtime.randn([1]).item();
    runtime.seed(3);
    expect(after).toBe(runtime.randn([1]).item());
  });
});

test("a wrong rule is found, with input, element, gradient and slope", () => {
  const square = (x: Tensor) =>
    record("square", { x }, kernels.mul(x, x), { x }, (dy, { x }) => ({ x: kernels.mul(dy, x) }));
  expect(() => check((x) => square(x!), [2])).toThrow(
    /gradcheck: the gradient of input 0 as a stage's input, element 0, is .*, and the slope is /,
  );
});

test("a gradient that only a whole backward computes is found", () => {
  const product = (a: Tensor, b: Tensor) =>
    record("product", [a, b], kernels.mul(a, b), [[b, 0] as const, [a, 1] as const], (node) => [
      node.wants(0) ? kernels.mul(node.gradient, node.saved(0)) : null,
      node.wants(1) && (node.wants(0) || !node.wants(0) === node.isBackwardInputs)
        ? kernels.mul(node.gradient, node.saved(1))
        : null,
    ]);
  expect(() => check((a, b) => product(a!, b!), [2], [2])).toThrow(
    /in a whole backward and missing in one that is split/,
  );
});

test("an operator on the way that is not recorded is found", () => {
  expect(() => check((x) => runtime.call(operator("aten::tanh"), x!), [2])).toThrow(
    /no gradient arrives at input 0 .* record each operator/,
  );
});
