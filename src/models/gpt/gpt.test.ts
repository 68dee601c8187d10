import { expect, test } from "vitest";
import { failOnLeaks } from "../../../test/leak-guard.ts";
import { Backward, backward, rootOf, scalarGradient } from "../../autograd/backward.ts";
import { crossEntropy } from "../../autograd/operators/loss.ts";
import { markInput } from "../../autograd/record.ts";
import { OptionError } from "../../errors/option-error.ts";
import type { StateDict } from "../../nn/state-dict.ts";
import { AdamW } from "../../optim/adamw.ts";
import { weightDecayGroups } from "../../optim/optimizer.ts";
import { Runtime } from "../../tensor/runtime.ts";
import { finish } from "../../tensor/suspension.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { GptConfig, GptStage } from "./gpt.ts";
import { gptStages } from "./stages.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);

const config: GptConfig = { vocabSize: 17, contextLength: 8, numLayers: 5, numHeads: 2, hiddenSize: 8 };
const tiedConfig: GptConfig = { ...config, tieEmbeddings: true };

const numbersOf = (dict: StateDict) =>
  Object.fromEntries(Object.entries(dict).map(([name, tensor]) => [name, tensor.toArray()]));

const mergedState = (stages: readonly GptStage[]): StateDict =>
  Object.assign({}, ...stages.map((stage) => stage.stateDict()));

const disposeAll = (stages: readonly GptStage[]) => stages.forEach((stage) => void stage.dispose());

function logitsOf(stages: readonly GptStage[], tokens: Tensor): Tensor {
  return stages.reduce((x, stage) => stage.call(x), tokens);
}

test("the logits are those of the same model in PyTorch", () => {
  /*
   * sine = lambda k, *shape: (torch.arange(prod(shape), dtype=torch.float64) * .7 + k).sin().reshape(shape)
   * k = 0
   * def p(*shape):
   *     global k; k += 1; return sine(k, *shape)
   * C, V, T = 4, 5, 4; wte, wpe = p(V, C), p(T, C); x = wte[torch.tensor([[0, 3, 1]])] + wpe[:3]
   * for layer in range(2):
   *     n1 = (p(C), p(C)); att = nn.MultiheadAttention(C, 2, batch_first=True).double()
   *     att.in_proj_weight.data, att.in_proj_bias.data, att.out_proj.weight.data, att.out_proj.bias.data = (
   *         p(3 * C, C), p(3 * C), p(C, C), p(C))
   *     n2 = (p(C), p(C)); fc = (p(4 * C, C), p(4 * C)); proj = (p(C, 4 * C), p(C))
   *     h = F.layer_norm(x, (C,), *n1); x = x + att(h, h, h, attn_mask=torch.ones(3, 3).triu(1).bool())[0]
   *     h = F.layer_norm(x, (C,), *n2); x = x + F.linear(F.gelu(F.linear(h, *fc), approximate='tanh'), *proj)
   * x = F.layer_norm(x, (C,), p(C), p(C)); logits = F.linear(x, p(V, C))
   * print(logits, F.cross_entropy(logits[0], torch.tensor([3, 1, 4])))
   */
  const golden = [
    -0.10306705350397247, -0.29438389776647617, 0.6578172239213592, -0.9452362711442088, 1.123428239843459,
    -0.06671341317444215, -0.3099608383128926, 0.6508174663560311, -0.9164686746831592, 1.0762170532629038,
    -0.10857336906634604, -0.29243368107743584, 0.6596484640166154, -0.9506373584910066, 1.1317750500723136,
  ];
  runtime.scope(() => {
    const stages = gptStages({
      config: { vocabSize: 5, contextLength: 4, numLayers: 2, numHeads: 2, hiddenSize: 4, dtype: "float64" },
      numStages: 2,
      runtime,
      seed: 0,
    });
    const named = stages.flatMap((stage) => stage.namedParameters());
    const state = named.map(([name, { shape, numElements }], k) => {
      const values = Array.from({ length: numElements }, (_, i) => Math.sin(i * 0.7 + k + 1));
      return [name, runtime.tensor(values, shape, "float64")] as const;
    });
    for (const stage of stages) stage.loadStateDict(Object.fromEntries(state), { strict: false });
    const logits = logitsOf(stages, runtime.tensor([0, 3, 1], [1, 3], "int64"));
    expect(logits.shape).toEqual([1, 3, 5]);
    logits.toArray().forEach((value, i) => {
      expect(value).toBeCloseTo(golden[i]!, 12);
    });
    const targets = runtime.tensor([3, 1, 4], [1, 3], "int64");
    expect(crossEntropy(logits, targets).item()).toBeCloseTo(1.9882681143005427, 12);
    disposeAll(stages);
  });
});

test.each([config, tiedConfig])("however it is cut, it is the same model: %o", (config) => {
  const [whole] = gptStages({ config, numStages: 1, runtime, seed: 3 }) as [GptStage];
  const expected = numbersOf(whole.stateDict());
  for (const numStages of [2, 3, 4, 5]) {
    const stages = gptStages({ config, numStages, runtime, seed: 3 });
    const merged = mergedState(stages);
    expect(Object.keys(merged)).toEqual(Object.keys(expected));
    expect(numbersOf(merged)).toEqual(expected);
    disposeAll(stages);
  }
  const stageIndices = [3, 0];
  const [last, first] = gptStages({ config, numStages: 4, stageIndices, runtime, seed: 3 }) as [
    GptStage,
    GptStage,
  ];
  expect(numbersOf(last.stateDict())["transformer.h.4.ln_1.weight"]).toBeDefined();
  expect(last.lm_head!.weight === first.transformer.wte!.weight).toBe(config.tieEmbeddings === true);
  for (const stage of [first, last])
    for (const [name, numbers] of Object.entries(numbersOf(stage.stateDict())))
      expect(numbers).toEqual(expected[name]);
  disposeAll([whole, first, last]);
});

test("blocks are divided in order and as evenly as they can be, under the whole model's names", () => {
  const stages = gptStages({ config, numStages: 3, runtime, seed: 0 });
  const layers = stages.map((stage) => [
    ...new Set(
      Object.keys(stage.stateDict()).flatMap((key) => /^transformer\.h\.(\d+)\./.exec(key)?.[1] ?? []),
    ),
  ]);
  expect(layers).toEqual([["0"], ["1", "2"], ["3", "4"]]);
  expect(Object.keys(stages[0]!.stateDict()).slice(0, 3)).toEqual([
    "transformer.wte.weight",
    "transformer.wpe.weight",
    "transformer.h.0.ln_1.weight",
  ]);
  expect(Object.keys(stages[2]!.stateDict()).slice(-3)).toEqual([
    "transformer.ln_f.weight",
    "transformer.ln_f.bias",
    "lm_head.weight",
  ]);
  expect(stages[1]!.stateDict()["transformer.h.1.attn.c_attn.weight"]!.shape).toEqual([24, 8]);
  disposeAll(stages);
});

test("weights start as GPT-2's, and no generator is disturbed", () => {
  runtime.scope(() => {
    const wide = { ...config, hiddenSize: 64, numLayers: 2 };
    runtime.seed(9);
    const expected = runtime.rand([4]).toArray();
    runtime.seed(9);
    const [model] = gptStages({ config: wide, numStages: 1, runtime, seed: 1 }) as [GptStage];
    expect(runtime.rand([4]).toArray()).toEqual(expected);
    for (const [name, values] of Object.entries(numbersOf(model.stateDict()))) {
      if (name.endsWith(".bias")) expect(new Set(values), name).toEqual(new Set([0]));
      else if (/ln_\w\.weight$/.test(name)) expect(new Set(values), name).toEqual(new Set([1]));
      else {
        const deviation = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
        const planned = name.endsWith("c_proj.weight") ? 0.01 : 0.02;
        expect(Math.abs(deviation / planned - 1), name).toBeLessThan(5 / Math.sqrt(2 * values.length));
      }
    }
    disposeAll([model]);
  });
});

test("a tied head needs both ends of the model on one rank", () => {
  const build = (stageIndices: readonly number[], config = tiedConfig) =>
    gptStages({ config, numStages: 4, stageIndices, runtime, seed: 0 });
  for (const stageIndices of [[0], [3], [1, 0]]) {
    expect(() => build(stageIndices)).toThrow(OptionError);
    expect(() => build(stageIndices)).toThrow(
      /one rank must hold both stage 0 and stage 3.*set tieEmbeddings to false/,
    );
    disposeAll(build(stageIndices, config));
  }
  disposeAll(build([1, 2]));
  expect(() => build([4], config)).toThrow(/are 0 to 3; got \[4\]/);
  expect(() => gptStages({ config, numStages: 6, runtime, seed: 0 })).toThrow(/1 to 5 stages.*got 6/);
});

interface MicroBatch {
  readonly tokens: Tensor;
  readonly targets: Tensor;
}

/** Forward stage by stage, each with a graph of its own, then the split backward of each: what a pipeline does. */
function runStages(stages: readonly GptStage[], { tokens, targets }: MicroBatch): number {
  let x = tokens;
  const graphs = stages.map((stage, index) => {
    const input = x.share();
    const leaf = markInput(input, index > 0);
    const output = stage.call(input);
    const result = index === stages.length - 1 ? crossEntropy(output, targets) : output;
    const walk = new Backward([rootOf(result)!]);
    x = result;
    return { input, leaf, walk };
  });
  let gradient = scalarGradient(x);
  for (const { input, leaf, walk } of graphs.reverse()) {
    finish(walk.backwardInputs([gradient]));
    if (leaf?.grad) gradient = leaf.grad;
    finish(walk.backwardWeights());
    walk.end();
    input.dispose();
  }
  for (const { leaf } of graphs) leaf?.grad?.dispose();
  return x.item();
}

test.each([
  [config, 2],
  [config, 5],
  [tiedConfig, 2],
  [tiedConfig, 4],
])(
  "cut into stages, losses and gradients are bit for bit those of the whole: %o, %i stages",
  (config, numStages) => {
    runtime.scope(() => {
      const [whole] = gptStages({ config, numStages: 1, runtime, seed: 3 }) as [GptStage];
      const stages = gptStages({ config, numStages, runtime, seed: 3 });
      runtime.seed(1);
      const microBatches = [0, 1].map(() => ({
        tokens: runtime.randint(0, 17, [2, 7]),
        targets: runtime.randint(0, 17, [2, 7]),
      }));
      const baseline = runtime.addon.numTensors();
      for (const microBatch of microBatches) {
        runtime.scope(() => {
          const loss = crossEntropy(whole.call(microBatch.tokens), microBatch.targets);
          backward(loss);
          expect(runStages(stages, microBatch)).toBe(loss.item());
        });
      }
      const gradients = new Map(whole.namedParameters().map(([name, { grad }]) => [name, grad!.toArray()]));
      const seen = new Set<string>();
      for (const [name, { grad }] of stages.flatMap((stage) => stage.namedParameters())) {
        if (name === "lm_head.weight" && config.tieEmbeddings) continue;
        expect(grad!.toArray(), name).toEqual(gradients.get(name));
        seen.add(name);
      }
      expect(seen.size).toBe(gradients.size);
      for (const stage of [whole, ...stages]) stage.zeroGrad();
      expect(runtime.addon.numTensors()).toBeLessThanOrEqual(baseline + numTransposed([whole, ...stages]));
      disposeAll([whole, ...stages]);
    });
  },
);

/** Weights keep a transposed view of themselves from their first use on. */
const numTransposed = (stages: readonly GptStage[]) =>
  new Set(stages.flatMap((stage) => stage.parameters().filter(({ shape }) => shape.length === 2))).size;

test("it learns a sentence by heart, and a step leaves nothing behind", () => {
  const sentence = [3, 1, 4, 1, 5, 9, 2, 6];
  const [model] = gptStages({ config: tiedConfig, numStages: 1, runtime, seed: 0 }) as [GptStage];
  const optimizer = new AdamW(weightDecayGroups(model.namedParameters(), 0.1), { learningRate: 0.02 });
  const step = () =>
    runtime.scope(() => {
      const tokens = runtime.tensor(sentence.slice(0, -1), [1, 7], "int64");
      const loss = crossEntropy(model.call(tokens), runtime.tensor(sentence.slice(1), [1, 7], "int64"));
      backward(loss);
      optimizer.step();
      optimizer.zeroGrad();
      return loss.item();
    });
  expect(step()).toBeCloseTo(Math.log(17), 1);
  const { liveBytes } = runtime.device.memory();
  const numTensors = runtime.addon.numTensors();
  let loss = 0;
  for (let i = 0; i < 40; i++) loss = step();
  expect(loss).toBeLessThan(0.1);
  expect(runtime.addon.numTensors()).toBe(numTensors);
  expect(runtime.device.memory().liveBytes).toBe(liveBytes);
  optimizer.dispose();
  model.dispose();
});
