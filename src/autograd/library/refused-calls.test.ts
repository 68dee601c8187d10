// What a recorded call refuses, with the reason.
import { expect, test } from "vitest";
import { failOnLeaks } from "../../../test/leak-guard.ts";
import type { Argument } from "../../tensor/calls/native-arguments.ts";
import { type Operator, operator } from "../../tensor/native-operator.ts";
import { Runtime } from "../../tensor/runtime.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { backward } from "../backward.ts";
import { Parameter } from "../parameter.ts";
import { differentiable, differentiableMany } from "./differentiable.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);

const SUM = operator("aten::sum");

const refusals: [string, Operator, (x: Tensor) => Argument[], RegExp][] = [
  ["in place", operator("aten::sin_"), (x) => [x], /must not overwrite its arguments.*overwrites self/],
  ["an out", operator("aten::sin", "out"), (x) => [x, x], /must not overwrite.*overwrites out/],
  [
    "LibTorch's own random numbers",
    operator("aten::dropout"),
    (x) => [x, 0.5, true],
    /all threads share; multiply by a mask/,
  ],
  ["a wrong argument", operator("aten::cumsum"), (x) => [x, "0"], /dim must be a number.*int dim/],
  ["several results", operator("aten::sort"), (x) => [x], /returned 2; call it with differentiableMany/],
  ["no tensor", operator("aten::eye"), () => [3], /at least one tensor.*use runtime.call/],
];
test.each(refusals)("%s", (_, op, args, message) => {
  runtime.scope(() => expect(() => differentiable(op, ...args(runtime.ones([2])))).toThrow(message));
});

test("dropout in a stack of layers, but only where there is some", () => {
  const [tanh, layers] = [operator("aten::rnn_tanh", "input"), 2];
  const states = (probability: number, training: boolean) =>
    runtime.scope(() => {
      const [x, hidden, matrix] = [
        runtime.ones([3, 1, 1]),
        runtime.zeros([layers, 1, 1]),
        runtime.ones([1, 1]),
      ];
      const weights = Array.from({ length: 2 * layers }, () => matrix);
      const rest = [weights, false, layers, probability, training, false, false] as const;
      return differentiableMany(tanh, x, hidden, ...rest)[0]!.toArray();
    });
  expect(() => states(0.5, true)).toThrow(/all threads share; multiply by a mask/);
  expect(states(0.5, false)).toEqual(states(0, true));
});

test("a tensor whose gradient is lost", () => {
  runtime.scope(() => {
    const w = new Parameter(runtime.ones([2]));
    const lost = runtime.call(operator("aten::sin"), w);
    expect(() => differentiable(SUM, lost)).toThrow(/aten::sum: input 0 was computed by a call of aten::sin/);
    w.dispose();
  });
});

test("the backward of an operator without one", () => {
  runtime.scope(() => {
    const w = new Parameter(runtime.ones([2]));
    const y = differentiable(operator("aten::igamma"), w, runtime.ones([2]));
    expect(() => backward(differentiable(SUM, y))).toThrow(/derivative for .*igamma.* is not implemented/);
    w.dispose();
  });
});
