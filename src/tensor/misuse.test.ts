import { expect, test } from "vitest";
import { failOnLeaks } from "../../test/leak-guard.ts";
import { noGrad } from "../autograd/grad-mode.ts";
import { crossEntropy } from "../autograd/operators/loss.ts";
import { OptionError } from "../errors/option-error.ts";
import { withSeed } from "../nn/initial.ts";
import { Embedding } from "../nn/layers/embedding.ts";
import { Linear } from "../nn/layers/linear.ts";
import { LayerNorm } from "../nn/layers/norm.ts";
import { Module } from "../nn/module.ts";
import { AdamW } from "../optim/adamw.ts";
import { SGD } from "../optim/sgd.ts";
import type { DType } from "./dtype.ts";
import { ArgumentError, DtypeError, ShapeError } from "./errors.ts";
import { Runtime } from "./runtime.ts";
import type { Tensor } from "./tensor.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);

test("an async body is refused by the types and at run time, and frees what it made", () => {
  const body = async () => runtime.ones([2]);
  class Async extends Module {
    forward(): never {
      return body() as never;
    }
  }
  const calls = [
    // @ts-expect-error A scope takes no async function.
    () => runtime.scope(async () => runtime.ones([2])),
    // @ts-expect-error noGrad takes no async function.
    () => runtime.scope(() => noGrad(runtime, body)),
    // @ts-expect-error withSeed takes no async function.
    () => runtime.scope(() => withSeed(runtime, 1, body)),
    () => runtime.scope(() => new Async(runtime).call(null as never)),
  ];
  for (const call of calls) {
    expect(call).toThrow(ArgumentError);
    expect(call).toThrow(/must not be async/);
  }
  expect(runtime.gradEnabled).toBe(true);
});

test("item() of several elements, or of none, is an error with advice", () => {
  runtime.scope(() => {
    expect(() => runtime.tensor([1, 2, 3]).item()).toThrow(ShapeError);
    expect(() => runtime.tensor([1, 2, 3]).item()).toThrow(/one element; got float32\[3\].*toArray\(\)/);
    expect(() => runtime.zeros([0]).item()).toThrow(/which has 0/);
    expect(runtime.tensor([[4]]).item()).toBe(4);
  });
});

test.each([
  ["flaot32", "float32"],
  ["torch.int64", "int64"],
  ["half", "float16"],
  ["long", "int64"],
  ["bf16", "bfloat16"],
])("the unknown dtype %s is an error that suggests %s", (given, meant) => {
  for (const call of [
    () => runtime.zeros([1], given as DType),
    () => runtime.tensor([1], [1], given as DType),
    () => new Linear(runtime, 1, 1, { dtype: given as DType }),
  ]) {
    expect(call).toThrow(DtypeError);
    expect(call).toThrow(new RegExp(`did you mean ${meant}\\?`));
  }
});

test("nested arrays and numbers make tensors of their shape", () => {
  runtime.scope(() => {
    const matrix = runtime.tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expect([matrix.shape, matrix.toArray()]).toEqual([
      [2, 3],
      [1, 2, 3, 4, 5, 6],
    ]);
    expect(runtime.tensor([[[1], [2]]], undefined, "int64").shape).toEqual([1, 2, 1]);
    expect(runtime.tensor([[1, 2]], [2, 1]).shape).toEqual([2, 1]);
    expect(runtime.tensor(3).shape).toEqual([]);
    expect(runtime.tensor([[], []]).shape).toEqual([2, 0]);
    expect(runtime.tensor([Float32Array.of(1, 2)]).shape).toEqual([1, 2]);
  });
});

test.each<[string, unknown, RegExp]>([
  ["ragged", [[1, 2], [3]], /one length, that of the first, 2; got one of 1 at depth 1/],
  ["uneven in depth", [[1, 2], 3], /got the number 3 at depth 1/],
  ["a text", [1, "2"], /takes numbers; got the string "2" as element 1/],
  ["a null", [1, null], /got null as element 1/],
  ["a BigInt", [1n], /fromArray\(BigInt64Array/],
  ["a tensor", {}, /takes numbers/],
])("tensor() refuses what is %s", (_, numbers, message) => {
  expect(() => runtime.tensor(numbers as number[])).toThrow(message);
});

test("another number of numbers than the shape takes is an error", () => {
  expect(() => runtime.tensor([1, 2, 3], [2, 2])).toThrow(/shape \[2, 2\] takes 4 numbers; got 3/);
});

test.each<[string, () => unknown, RegExp]>([
  ["AdamW", () => new AdamW([], { lr: 1 } as never), /AdamW has no option lr; did you mean learningRate\?/],
  [
    "a group",
    () => new SGD([{ parameters: [], wd: 1 } as never]),
    /group 0 of SGD has no option wd; did you mean weightDecay\?/,
  ],
  [
    "Embedding",
    () => new Embedding(runtime, 2, 2, { paddingIdx: 0 } as never),
    /Embedding has no option paddingIdx; did you mean paddingIndex\?/,
  ],
  ["Linear", () => new Linear(runtime, 2, 2, { bais: false } as never), /did you mean bias\?/],
  [
    "a value for the options",
    () => new Linear(runtime, 2, 2, false as never),
    /Linear takes its options as an object; got false/,
  ],
  ["LayerNorm", () => new LayerNorm(runtime, 2, { epsilon: 1 } as never), /its options are eps, bias, dtype/],
  [
    "a loss",
    () => {
      const x: Tensor = runtime.ones([1, 2]);
      return crossEntropy(x, runtime.zeros([1], "int64"), { ignore_index: 0 } as never);
    },
    /did you mean ignoreIndex\?/,
  ],
])("an unknown option is an error with a suggestion: %s", (_, make, message) => {
  runtime.scope(() => {
    expect(make).toThrow(OptionError);
    expect(make).toThrow(message);
  });
});
