// Layers against PyTorch's of the same name: the same state dict from the same seed, and the same outputs. The golden
// values of PyTorch 1.13 are made by test/nn/golden/layers.py.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { failOnLeaks } from "../../../test/leak-guard.ts";
import { OptionError } from "../../errors/option-error.ts";
import { Runtime } from "../../tensor/runtime.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { Module } from "../module.ts";
import { GELU, Hardswish, LeakyReLU, ReLU, Sigmoid, SiLU, Softmax, Tanh } from "./activation.ts";
import { Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d } from "./conv.ts";
import { Embedding } from "./embedding.ts";
import { Linear } from "./linear.ts";
import { GroupNorm, LayerNorm } from "./norm.ts";
import { AdaptiveAvgPool, AvgPool, MaxPool } from "./pool.ts";
import { Flatten, Identity } from "./shape.ts";

interface Golden {
  readonly inputShape: readonly number[] | null;
  readonly state: Readonly<Record<string, { readonly shape: number[]; readonly values: number[] }>>;
  readonly outputShape: readonly number[];
  readonly output: readonly number[];
}

const path = new URL("../../../test/nn/golden/layers.json", import.meta.url);
const golden: Readonly<Record<string, Golden>> = JSON.parse(readFileSync(path, "utf8"));
const runtime = Runtime.load();
failOnLeaks(runtime);

const LAYERS: Readonly<Record<string, () => Module>> = {
  Linear: () => new Linear(runtime, 3, 4),
  Embedding: () => new Embedding(runtime, 5, 3),
  LayerNorm: () => new LayerNorm(runtime, 4),
  GroupNorm: () => new GroupNorm(runtime, 2, 4),
  Conv1d: () => new Conv1d(runtime, 4, 6, 3, { stride: 2, padding: 1, groups: 2 }),
  Conv2d: () => new Conv2d(runtime, 2, 3, [2, 3], { bias: false, dilation: 2 }),
  Conv3d: () => new Conv3d(runtime, 1, 2, 2),
  ConvTranspose1d: () =>
    new ConvTranspose1d(runtime, 4, 6, 3, { stride: 2, padding: 1, outputPadding: 1, groups: 2 }),
  ConvTranspose2d: () => new ConvTranspose2d(runtime, 2, 3, 2, { stride: 2 }),
  ConvTranspose3d: () => new ConvTranspose3d(runtime, 2, 1, 2),
  MaxPool: () => new MaxPool(runtime, 3, { stride: 2, padding: 1 }),
  AvgPool: () => new AvgPool(runtime, 2),
  AdaptiveAvgPool: () => new AdaptiveAvgPool(runtime, 1),
  ReLU: () => new ReLU(runtime),
  LeakyReLU: () => new LeakyReLU(runtime),
  Tanh: () => new Tanh(runtime),
  Sigmoid: () => new Sigmoid(runtime),
  GELU: () => new GELU(runtime),
  SiLU: () => new SiLU(runtime),
  Hardswish: () => new Hardswish(runtime),
  Softmax: () => new Softmax(runtime, 1),
  Flatten: () => new Flatten(runtime),
  Identity: () => new Identity(runtime),
};

function inputOf(shape: readonly number[] | null): Tensor {
  if (shape === null) return runtime.tensor([[0, 4], [2, 2]], undefined, "int64"); // biome-ignore format: one line
  const size = shape.reduce((product, each) => product * each, 1);
  return runtime.tensor(
    Array.from({ length: size }, (_, i) => Math.sin(i * 0.7 + 0.3)),
    shape,
  );
}

function expectClose(actual: Tensor, expected: readonly number[], what: string): void {
  const values = actual.toArray();
  expect(values, what).toHaveLength(expected.length);
  for (const [i, x] of values.entries())
    expect(Math.abs(x - expected[i]!), `${what}, element ${i}`).toBeLessThanOrEqual(1e-6);
}

test("every golden layer is ours, too", () => {
  expect(Object.keys(LAYERS)).toEqual(Object.keys(golden));
});

test.each(Object.entries(LAYERS))("%s has PyTorch's state and output", (name, make) => {
  const { inputShape, state, outputShape, output } = golden[name]!;
  runtime.scope(() => {
    runtime.seed(0);
    using layer = make();
    const ours = layer.stateDict();
    expect(Object.keys(ours)).toEqual(Object.keys(state));
    for (const [key, { shape, values }] of Object.entries(state)) {
      expect(ours[key]!.shape).toEqual(shape);
      expectClose(ours[key]!, values, key);
    }
    const y = layer.call(inputOf(inputShape));
    expect(y.shape).toEqual(outputShape);
    expectClose(y, output, "output");
  });
});

test("wrong options name the layer", () => {
  expect(() => new Conv2d(runtime, 4, 6, [3])).toThrow(
    /Conv2d: kernelSize must be one number, or 2; got \[3\]/,
  );
  expect(() => new Conv1d(runtime, 4, 6, 3, { groups: 3 })).toThrow(
    /Conv1d: groups must divide both numbers of channels; got 3/,
  );
  expect(() => new Conv1d(runtime, 4, 6, 3, { strides: 2 } as object)).toThrow(OptionError);
  expect(() => new GroupNorm(runtime, 3, 4)).toThrow(
    /GroupNorm: numGroups must divide numChannels; got 3 and 4/,
  );
});
