// Layers against PyTorch's of the same name: the same state dict from the same seed, the same outputs and gradients.
// The golden values of PyTorch 1.13 are made by test/nn/golden/layers.py.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { failOnLeaks } from "../../../test/leak-guard.ts";
import { backward } from "../../autograd/backward.ts";
import { checkpoint } from "../../autograd/checkpoint.ts";
import { noGrad } from "../../autograd/grad-mode.ts";
import { sin } from "../../autograd/library/elementwise.ts";
import { triu } from "../../autograd/library/indexing.ts";
import { add, mul } from "../../autograd/operators/arithmetic.ts";
import { cat } from "../../autograd/operators/join.ts";
import { reshape } from "../../autograd/operators/shape.ts";
import { narrow } from "../../autograd/operators/slice.ts";
import { Parameter } from "../../autograd/parameter.ts";
import { OptionError } from "../../errors/option-error.ts";
import { Runtime } from "../../tensor/runtime.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { type AnyModule, Module } from "../module.ts";
import { GELU, Hardswish, LeakyReLU, ReLU, Sigmoid, SiLU, Softmax, Tanh } from "./activation.ts";
import { BatchNorm1d, BatchNorm2d, BatchNorm3d } from "./batch-norm.ts";
import { Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d } from "./conv.ts";
import { Embedding } from "./embedding.ts";
import { Linear } from "./linear.ts";
import { MultiheadAttention, type MultiheadAttentionOptions } from "./multihead-attention.ts";
import { GroupNorm, LayerNorm } from "./norm.ts";
import { AdaptiveAvgPool, AvgPool, MaxPool } from "./pool.ts";
import { GRU, LSTM, RNN } from "./recurrent.ts";
import { Flatten, Identity } from "./shape.ts";
import { TransformerEncoderLayer } from "./transformer.ts";

interface Golden {
  readonly inputShape: readonly number[] | null;
  readonly state: Readonly<Record<string, { readonly shape: number[]; readonly values: number[] }>>;
  readonly outputShape: readonly number[];
  readonly output: readonly number[];
  /** Those of a weighted sum of the outputs, by the names of the state and, for the input, `x`. */
  readonly gradients: Readonly<Record<string, readonly number[]>>;
  /** The buffers after the forward. */
  readonly buffers: Readonly<Record<string, readonly number[]>>;
}

const path = new URL("../../../test/nn/golden/layers.json", import.meta.url);
const golden: Readonly<Record<string, Golden>> = JSON.parse(readFileSync(path, "utf8"));
const runtime = Runtime.load();
failOnLeaks(runtime);

/** A layer that is called in some way with one tensor; its state is the layer's. */
class OneInput<Layer extends AnyModule> extends Module {
  readonly #layer: Layer;
  readonly #forward: (layer: Layer, x: Tensor) => Tensor;

  constructor(layer: Layer, forward: (layer: Layer, x: Tensor) => Tensor) {
    super(runtime);
    this.#layer = layer;
    this.#forward = forward;
  }

  protected override parts() {
    return Object.entries(this.#layer);
  }

  forward(x: Tensor): Tensor {
    return this.#forward(this.#layer, x);
  }
}

const attention = (options: MultiheadAttentionOptions) => new MultiheadAttention(runtime, 8, 2, options);
const causal = () => triu(runtime.ones([5, 5], "bool"), 1);
const padding = () => runtime.tensor([0, 0, 0, 0, 0, 0, 0, 0, 1, 1], [2, 5], "bool");
const toItself = (layer: MultiheadAttention, x: Tensor) => layer.call(x, x, x)[0];

function toOthers(layer: MultiheadAttention, x: Tensor): Tensor {
  const keys = cat([narrow(x, 2, 0, 3), narrow(narrow(x, 2, 3, 3), 0, 0, 2)]);
  const mask = sin(mul(reshape(runtime.tensor(Array.from({ length: 24 }, (_, i) => i)), [4, 6]), 0.1));
  return layer.call(x, keys, narrow(keys, 2, 0, 2), null, mask)[0];
}

const LAYERS: Readonly<Record<string, () => Module<[Tensor], Tensor | readonly Tensor[]>>> = {
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
  RNN: () => new RNN(runtime, 3, 4, { numLayers: 2, nonlinearity: "relu", bidirectional: true }),
  GRU: () => new GRU(runtime, 3, 4, { numLayers: 2, batchFirst: true }),
  LSTM: () => new LSTM(runtime, 3, 4, { numLayers: 2, bias: false, bidirectional: true }),
  MultiheadAttention: () => new OneInput(attention({ batchFirst: true }), toItself),
  MaskedAttention: () =>
    new OneInput(attention({}), (layer, x) => layer.call(x, x, x, padding(), causal())[0]),
  AttentionWeights: () =>
    new OneInput(attention({ batchFirst: true, needWeights: true }), (layer, x) => layer.call(x, x, x)[1]!),
  CrossAttention: () => new OneInput(attention({ kdim: 3, vdim: 2, bias: false }), toOthers),
  BatchNorm1d: () => new BatchNorm1d(runtime, 3),
  BatchNorm2d: () => new BatchNorm2d(runtime, 3, { momentum: 0.3, eps: 1e-3 }),
  BatchNorm3d: () => new BatchNorm3d(runtime, 2, { affine: false, trackRunningStats: false }),
  CumulativeBatchNorm: () =>
    new OneInput(new BatchNorm1d(runtime, 3, { momentum: null }), (layer, x) =>
      add(layer.call(add(mul(x, 2), 1)), layer.call(x)),
    ),
  EvaluatedBatchNorm: () =>
    new OneInput(new BatchNorm1d(runtime, 3), (layer, x) => {
      noGrad(runtime, () => void layer.call(add(mul(x, 2), 1)));
      return layer.eval().call(x);
    }),
  TransformerEncoderLayer: () =>
    new TransformerEncoderLayer(runtime, 8, 2, { feedForwardSize: 12, dropout: 0 }),
  TransformerEncoderLayerNormFirst: () =>
    new TransformerEncoderLayer(runtime, 8, 2, {
      feedForwardSize: 12,
      dropout: 0,
      activation: "gelu",
      batchFirst: true,
      normFirst: true,
    }),
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

test.each(Object.entries(LAYERS))("%s has PyTorch's state, output and gradients", (name, make) => {
  const { inputShape, state, outputShape, output, gradients, buffers } = golden[name]!;
  runtime.scope(() => {
    runtime.seed(0);
    using layer = make();
    const ours = layer.stateDict();
    expect(Object.keys(ours)).toEqual(Object.keys(state));
    for (const [key, { shape, values }] of Object.entries(state)) {
      expect(ours[key]!.shape).toEqual(shape);
      expectClose(ours[key]!, values, key);
    }
    const x = inputOf(inputShape);
    using parameter = inputShape === null ? undefined : new Parameter(x);
    const outputs = layer.call(parameter ?? x);
    const y = outputs instanceof Tensor ? outputs : outputs[0]!;
    expect(y.shape).toEqual(outputShape);
    expectClose(y, output, "output");
    const ownBuffers = new Map<string, Tensor>(layer.namedBuffers());
    expect([...ownBuffers.keys()]).toEqual(Object.keys(buffers));
    for (const [key, values] of Object.entries(buffers)) expectClose(ownBuffers.get(key)!, values, key);
    if (Object.keys(gradients).length === 0) return;
    backward(
      y,
      runtime.tensor(
        output.map((_, i) => Math.cos(i * 0.3 + 0.1)),
        outputShape,
      ),
    );
    const named = new Map([...layer.namedParameters(), ...(parameter ? [["x", parameter] as const] : [])]);
    for (const [key, values] of Object.entries(gradients))
      expectClose(named.get(key)!.grad!, values, `the gradient of ${key}`);
  });
});

test("the padding of an embedding is zero at first, is found as it is later, and gets no gradient", () => {
  runtime.scope(() => {
    using layer = new Embedding(runtime, 4, 2, { paddingIndex: -1 });
    expect(layer.weight.toArray().slice(6)).toEqual([0, 0]);
    const ones = layer.stateDict();
    layer.loadStateDict({ weight: runtime.ones(ones.weight!.shape) });
    const y = layer.call(runtime.tensor([3, 0, 3], undefined, "int64"));
    expect(y.toArray()).toEqual([1, 1, 1, 1, 1, 1]);
    backward(y, runtime.ones([3, 2]));
    expect(layer.weight.grad!.toArray()).toEqual([1, 1, 0, 0, 0, 0, 0, 0]);
    for (const paddingIndex of [4, -5, 0.5])
      expect(() => new Embedding(runtime, 4, 2, { paddingIndex })).toThrow(OptionError);
  });
});

test("a checkpoint's second run counts no batch again, and normalizes as the first", () => {
  runtime.scope(() => {
    using plain = new BatchNorm1d(runtime, 3);
    using checkpointed = new BatchNorm1d(runtime, 3);
    const x = runtime.randn([4, 3]);
    const weights = runtime.randn([4, 3]);
    backward(plain.call(x), weights);
    backward(
      checkpoint((x) => checkpointed.call(x), x),
      weights,
    );
    const stateOf = (layer: BatchNorm1d) =>
      [
        ...layer.namedBuffers().map(([, buffer]) => buffer),
        ...layer.parameters().map(({ grad }) => grad!),
      ].map((tensor) => tensor.toArray());
    expect(stateOf(checkpointed)).toEqual(stateOf(plain));
  });
});

test("dropout is drawn in training alone, from the rank's generator", () => {
  runtime.scope(() => {
    const x = runtime.randn([5, 2, 8]);
    using gru = new GRU(runtime, 8, 8, { numLayers: 2, dropout: 0.5 });
    using encoder = new TransformerEncoderLayer(runtime, 8, 2, { feedForwardSize: 8, dropout: 0.5 });
    for (const call of [() => gru.call(x)[0].toArray(), () => encoder.call(x).toArray()]) {
      const seeded = () => {
        runtime.seed(3);
        return call();
      };
      const [first, again, other] = [seeded(), seeded(), call()];
      expect(again).toEqual(first);
      expect(other).not.toEqual(first);
      for (const layer of [gru, encoder]) layer.eval();
      expect(call()).toEqual(seeded());
      for (const layer of [gru, encoder]) layer.train();
    }
  });
});

test("wrong options name the layer", () => {
  expect(() => new BatchNorm2d(runtime, 2, { momentum: 2 })).toThrow(
    /BatchNorm2d: momentum must be .*; got 2/,
  );
  runtime.scope(() => {
    using layer = new BatchNorm2d(runtime, 2);
    expect(() => layer.call(runtime.ones([2, 2]))).toThrow(
      /BatchNorm2d: x must have 4 dimensions, the second of 2/,
    );
    const single = runtime.ones([1, 2, 1, 1]);
    expect(() => layer.call(single)).toThrow(
      /BatchNorm2d: a batch must have more than 1 value for each channel/,
    );
    expect(layer.eval().call(single).shape).toEqual([1, 2, 1, 1]);
  });
  expect(() => new MultiheadAttention(runtime, 8, 3)).toThrow(/must divide the hidden size; got 3 heads/);
  expect(() => new GRU(runtime, 3, 4, { numLayer: 2 } as object)).toThrow(
    /GRU has no option numLayer; did you mean numLayers/,
  );
  expect(() => new LSTM(runtime, 3, 4, { numLayers: 0 })).toThrow(/LSTM: numLayers must be .*; got 0/);
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
