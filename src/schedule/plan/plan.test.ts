import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  findSchedule,
  lower,
  memoryOverTime,
  type PlannedRun,
  type PlanRequest,
  parseModelConfig,
  plan,
  plannedStep,
  ScheduleError,
  simulate,
} from "../index.ts";
import { secondCopyBytes } from "./candidate.ts";
import { embeddingParameters, layerParameters } from "./model/model-shape.ts";
import { modelFlops, stageShapes } from "./model-cost.ts";
import { partitionLayers } from "./partition.ts";

const gpt2 = parseModelConfig(
  JSON.stringify({ model_type: "gpt2", n_embd: 768, n_layer: 12, n_head: 12, vocab_size: 50257 }),
);
const llama8b = parseModelConfig(
  JSON.stringify({
    hidden_size: 4096,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    intermediate_size: 14336,
    vocab_size: 128256,
    hidden_act: "silu",
  }),
);

const request: PlanRequest = {
  model: llama8b,
  sequenceLength: 4096,
  globalBatch: 32,
  numDevices: 8,
  device: {
    peakFlops: 989e12,
    efficiency: 0.5,
    memoryBytes: 80e9,
    link: { latency: 1e-5, bandwidth: 50e9 },
    allReduceBandwidth: 50e9,
  },
};

describe("the model", () => {
  it("has the parameters that its makers give: 124 million of GPT-2, 8.03 thousand million of Llama 3 8B", () => {
    const positions = 1024 * 768;
    expect((12 * layerParameters(gpt2) + embeddingParameters(gpt2) + positions) / 124.4e6).toBeCloseTo(1, 2);
    expect((32 * layerParameters(llama8b) + 2 * embeddingParameters(llama8b)) / 8.03e9).toBeCloseTo(1, 2);
  });

  it("costs the same however it is cut into stages", () => {
    const microBatch = { size: 2, sequenceLength: 128, recompute: false };
    const whole = modelFlops(llama8b, microBatch);
    for (const counts of [[32], [16, 16], [1, 2, 29], new Array<number>(32).fill(1)]) {
      const stages = stageShapes(llama8b, counts, microBatch);
      const flops = stages.reduce((sum, stage) => sum + stage.flops.F + stage.flops.I + stage.flops.W, 0);
      expect(flops / whole).toBeCloseTo(1, 12);
    }
  });

  it.each([
    ["{}", /hidden_size or n_embd or n_embed must be a whole number/],
    ["[", /must be JSON/],
    ['{"n_routed_experts": 8}', /a mixture of experts \(n_routed_experts: 8\) cannot be planned/],
    ['{"moe": {"num_experts": 4}}', /a mixture of experts \(moe/],
    ['{"model_type": "qwen3_moe", "moe_layers": 4}', /experts \(moe_layers: 4\) of model_type "qwen3_moe"/],
    ['{"model_type": "bert"}', /model_type "bert" cannot be planned; .* gpt2, .*llama, /],
    ['{"architectures": ["BertForMaskedLM"]}', /architecture "BertForMaskedLM" cannot/],
    [
      '{"model_type": "llama", "architectures": ["MixtralForCausalLM"]}',
      /architecture "MixtralForCausalLM" of/,
    ],
    ['{"multi_query": true}', /attention with a layout of its own \(multi_query: true\)/],
    ['{"is_encoder_decoder": true}', /an encoder with a decoder/],
    ['{"text_config": {"hidden_size": 1}}', /several modalities/],
    ['{"kv_lora_rank": 512}', /latent attention/],
    ['{"layer_types": ["full_attention", "linear_attention"]}', /layer of type "linear_attention"/],
  ])("says what is missing in %s", (text, message) => {
    expect(() => parseModelConfig(text)).toThrow(message);
  });
});

describe("kinds of models", () => {
  const sizes = {
    hidden_size: 3072,
    intermediate_size: 24576,
    num_hidden_layers: 28,
    num_attention_heads: 16,
  };
  const parse = (fields: object) =>
    parseModelConfig(JSON.stringify({ ...sizes, vocab_size: 256000, ...fields }));

  it("knows what Gemma does not write: a gated MLP and a tied embedding; 8.54 thousand million parameters", () => {
    const gemma = parse({ model_type: "gemma", hidden_act: "gelu", head_dim: 256, num_key_value_heads: 16 });
    expect(gemma).toMatchObject({ numMlpMatrices: 3, tiedEmbedding: true });
    expect((28 * layerParameters(gemma) + embeddingParameters(gemma)) / 8.54e9).toBeCloseTo(1, 2);
  });

  it.each([
    { model_type: "llama", num_experts: 0, moe_layers: [], is_encoder_decoder: false },
    { model_type: "llama", num_local_experts: 1, layer_types: ["full_attention", "sliding_attention"] },
    { architectures: ["Qwen2ForCausalLM"] },
  ])("plans %j", (fields) => expect(parse(fields).numMlpMatrices).toBe(3));
});

describe("sharing out layers", () => {
  it("gives every stage a layer, gives out all, and leaves no stage two layers over another", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.nat({ max: 40 }), (numStages, more) => {
        const ranks = Array.from({ length: numStages }, (_, stage) => [stage]);
        const extra = ranks.map(() => 0);
        const counts = partitionLayers(numStages + more, ranks, extra, "even-stages");
        expect(counts.reduce((sum, count) => sum + count, 0)).toBe(numStages + more);
        expect(Math.min(...counts)).toBeGreaterThanOrEqual(1);
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it("leaves room for the head", () => {
    expect(partitionLayers(12, [[0], [1], [2], [3]], [0, 0, 0, 2], "even-stages")).toEqual([4, 4, 3, 1]);
  });
});

describe("the plan", () => {
  const planned = plan(request);

  it("puts the fastest run that fits first", () => {
    const times = planned.best.map((run) => run.stepSeconds);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    for (const run of planned.best) {
      expect(run.peakBytes).toBeLessThanOrEqual(request.device.memoryBytes);
      expect(run.mfu).toBeGreaterThan(0);
      expect(run.mfu).toBeLessThan(request.device.efficiency);
      expect(run.numRanks * run.numReplicas).toBe(request.numDevices);
      expect(run.numReplicas * run.numMicroBatches * run.microBatchSize).toBe(request.globalBatch);
      expect(run.layerCounts.reduce((sum, count) => sum + count, 0)).toBe(llama8b.numLayers);
    }
  });

  it("gives what each of its runs is simulated with, to the same time and memory", () => {
    const directly = planned.candidates.filter(
      (run) => run.schedule !== "searched" && run.numMicroBatches <= 4 * run.numRanks,
    );
    expect(new Set(directly.map(({ schedule }) => schedule)).size).toBe(12);
    for (const run of directly) {
      const { cost, memory } = plannedStep(request, run);
      const program = findSchedule(run.schedule).generate(run);
      const { makespan, timeline } = simulate(lower(program), cost);
      expect(makespan / (run.stepSeconds - run.allReduceSeconds)).toBeCloseTo(1, 9);
      const peaks = memoryOverTime(timeline, program.placement, memory).map(({ peak }) => peak);
      expect(Math.max(...peaks) / run.peakBytes).toBeCloseTo(1, 9);
      expect(run.parameterBytes).toBeLessThan(run.peakBytes);
    }
  });

  it("shows all candidates before it searches, and adds what the search finds", () => {
    let shown: readonly PlannedRun[] = [];
    const { candidates, numEvaluated, searchedProgram } = plan(request, 1, (all) => {
      shown = all;
    });
    expect(shown).toHaveLength(numEvaluated);
    expect(candidates.slice(0, numEvaluated)).toEqual(shown);
    expect(candidates.slice(numEvaluated).map(({ schedule }) => schedule)).toEqual(
      searchedProgram === undefined ? [] : ["searched"],
    );
  });

  it("says why every other schedule lost", () => {
    const names = new Set([planned.best[0]!.schedule, ...planned.lost.map(({ schedule }) => schedule)]);
    expect(names.size).toBeGreaterThanOrEqual(8);
    for (const { reason } of planned.lost) expect(reason).toMatch(/slower|does not fit|must be/);
  });

  it("lets pairs hide communication: half the time of pairs helps the schedules that have them, and only those", () => {
    const best = (pairShare: number, name: string) =>
      Math.min(
        ...plan({ ...request, device: { ...request.device, pairShare } }).candidates.flatMap((run) =>
          run.schedule === name ? [run.stepSeconds] : [],
        ),
      );
    expect(best(0.5, "dualpipe")).toBeLessThan(0.8 * best(1, "dualpipe"));
    expect(best(0.5, "1f1b")).toBe(best(1, "1f1b"));
    expect(() => best(1.5, "1f1b")).toThrow(/share of its F \+ B must be over 0 and at most 1; got 1.5/);
  });

  it("counts second copies as what is saved when each parameter is on one rank", () => {
    const dualpipe = planned.candidates.find(
      (run) => run.schedule === "dualpipe" && run.numRanks === 8 && !run.recompute,
    )!;
    const parametersOf = (bytes: number, copies: number) => bytes / (2 + 4 + 12 / copies);
    const held = parametersOf(dualpipe.parameterBytes, 2);
    expect(secondCopyBytes(dualpipe, 2)).toBeCloseTo(held * (6 + 12 / 2) - (held / 2) * (6 + 12), -3);
    expect(secondCopyBytes(dualpipe, 1)).toBe(0);
  });

  it("says what is missing when nothing fits", () => {
    const small = plan({ ...request, device: { ...request.device, memoryBytes: 4e9 } });
    expect(small.best).toEqual([]);
    for (const { reason } of small.lost)
      expect(reason).toMatch(/does not fit: needs at least [\d.]+ GB of 4.0 GB/);
  });

  it("does not blame the memory where no schedule suits the sizes", () => {
    const impossible = plan({ ...request, numDevices: 64, globalBatch: 1 });
    expect(impossible).toMatchObject({ best: [], numEvaluated: 0 });
    expect(impossible.search).toBe("no schedule suits these sizes, so there is nothing to improve");
    for (const { reason } of impossible.lost) expect(reason).toMatch(/must be/);
  });

  it("is a plan or one of our errors for any request", () => {
    const size = fc.constantFrom(0, 1, 2, 3, 4, 6, 7, -1, 1.5, Number.NaN);
    fc.assert(
      fc.property(size, size, fc.constantFrom(0, 1e9, 80e9), (numDevices, globalBatch, memoryBytes) => {
        try {
          plan({ ...request, numDevices, globalBatch, device: { ...request.device, memoryBytes } });
        } catch (error) {
          expect(error).toBeInstanceOf(ScheduleError);
          expect((error as Error).message).toMatch(/^dualpipe: plan: .*; got .*; /);
        }
      }),
      { numRuns: 60 },
    );
  });
});
