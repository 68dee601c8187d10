// An option that is undefined is one that is left out, in types (this file is compiled with exactOptionalPropertyTypes)
// and at run time: ranks in between have no criterion, and programs pass on what they were given.
import {
  AdamW,
  CausalSelfAttention,
  crossEntropy,
  Embedding,
  GELU,
  gptStages,
  InProcessGroup,
  LayerNorm,
  Linear,
  learningRates,
  MLP,
  ModuleList,
  mseLoss,
  noGrad,
  Pipeline,
  RMSNorm,
  Runtime,
  SGD,
  scaledDotProductAttention,
} from "dualpipe";
import { buildProgram, lower, simulate, timelineSvg, UNIT_COST, verify } from "dualpipe/schedule";
import { afterEach, expect, test } from "vitest";
import { failOnLeaks } from "../leak-guard.ts";

const runtime = Runtime.load();
failOnLeaks(runtime as never);
const kept: { dispose(): void }[] = [];
const keep = <T extends { dispose(): void }>(each: T): T => {
  kept.push(each);
  return each;
};
afterEach(() => {
  for (const each of kept.splice(0)) each.dispose();
});

test("of a step and of a pipeline", () => {
  const pipe = new Pipeline({
    schedule: "gpipe",
    modules: new Map([[0, keep(new Linear(runtime, 2, 1))]]),
    processGroup: new InProcessGroup(runtime, { name: "undefined", rank: 0, size: 1 }),
    stagesPerRank: undefined,
    batchDim: undefined,
    numReplicas: undefined,
    shardUpdates: undefined,
    rankMapping: undefined,
    recorder: undefined,
    observer: undefined,
  });
  runtime.scope(() => {
    const x = runtime.ones([4, 2]);
    const labels = [runtime.ones([4, 1])];
    const trained = pipe.step(x, { numChunks: 2, criterion: mseLoss, labels, returnOutputs: undefined });
    expect([trained.loss!.shape, trained.outputs]).toEqual([[2], null]);
    const options = { numChunks: 2, criterion: undefined, labels: undefined, returnOutputs: true };
    const predicted = noGrad(runtime, () => pipe.step(x, options));
    expect(predicted.loss).toBeNull();
    for (const parameter of pipe.parameters()) parameter.grad = null;
  });
});

test("of optimizers, and of groups of their parameters", () => {
  const parameters = keep(new Linear(runtime, 2, 1)).namedParameters();
  const optionsOf = ({ groups }: AdamW | SGD) => groups.map(({ options }) => options);
  const adamw = { learningRate: undefined, betas: undefined, eps: undefined, weightDecay: undefined };
  expect(optionsOf(new AdamW(parameters, adamw))).toEqual(optionsOf(new AdamW(parameters)));
  const sgd = { learningRate: undefined, momentum: undefined, weightDecay: undefined, nesterov: undefined };
  expect(optionsOf(new SGD(parameters, sgd))).toEqual(optionsOf(new SGD(parameters)));
  const group = { parameters, weightDecay: undefined };
  expect(optionsOf(new AdamW([group], { weightDecay: 0.5 }))).toMatchObject([{ weightDecay: 0.5 }]);
});

test("of layers and models", () => {
  const [bias, dtype, eps] = [undefined, undefined, undefined];
  const modules = [
    new Linear(runtime, 2, 4, { bias, dtype, weight: undefined }),
    new MLP(runtime, 2, 4, { bias, dtype, activation: undefined }),
    new LayerNorm(runtime, 2, { eps, bias, dtype }),
    new RMSNorm(runtime, 2, { eps, dtype }),
    new Embedding(runtime, 3, 2, { dtype }),
    new CausalSelfAttention(runtime, 4, 2, { bias, dtype }),
    new GELU(runtime, { approximate: undefined }),
    new ModuleList(runtime, [], { firstIndex: undefined }),
  ].map(keep);
  expect(modules.map((module) => module.parameters().length)).toEqual([2, 4, 2, 1, 1, 4, 0, 0]);
  const sizes = { vocabSize: 5, contextLength: 4, numLayers: 2, numHeads: 2, hiddenSize: 4 };
  const config = { ...sizes, mlpRatio: undefined, tieEmbeddings: undefined, dropout: undefined, dtype };
  const stages = gptStages({ config, numStages: 2, stageIndices: undefined, runtime, seed: 1 }).map(keep);
  expect(stages).toHaveLength(2);
});

test("of functions", () => {
  runtime.scope(() => {
    const [logits, targets] = [runtime.randn([3, 4]), runtime.arange(3)];
    const loss = crossEntropy(logits, targets, { reduction: undefined, ignoreIndex: undefined });
    expect(loss.item()).toBe(crossEntropy(logits, targets).item());
    const q = runtime.randn([1, 1, 2, 4]);
    const y = scaledDotProductAttention(q, q, q, { causal: undefined, scale: undefined });
    expect(y.toArray()).toEqual(scaledDotProductAttention(q, q, q).toArray());
    expect(runtime.tensor([1, 2], undefined, undefined).shape).toEqual([2]);
  });
  const schedule = { peak: 1, numWarmupSteps: 1, numSteps: 4 };
  const { warmupCosine } = learningRates;
  expect(warmupCosine({ ...schedule, minimum: undefined })(3)).toBe(warmupCosine(schedule)(3));
});

test("of schedules", () => {
  const sizes = { numRanks: 2, numMicroBatches: 4, stagesPerRank: undefined, forwardOnly: undefined };
  const program = lower(buildProgram("1f1b", sizes), { window: undefined });
  expect(verify(program, { sends: undefined, maxProblems: undefined }).problems).toEqual([]);
  const simulation = simulate(
    program,
    { ...UNIT_COST, pairShare: undefined },
    { wholeComputations: undefined },
  );
  expect(simulation).toEqual(simulate(program, UNIT_COST));
  const { timeline } = simulation;
  expect(timelineSvg(timeline, { width: undefined })).toBe(timelineSvg(timeline));
});
