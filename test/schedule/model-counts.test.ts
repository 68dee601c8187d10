import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseModelConfig } from "../../src/schedule/index.ts";
import { stageCostModel, stageShapes } from "../../src/schedule/plan/model-cost.ts";

interface Row {
  readonly name: string;
  readonly published: number;
  readonly source: string;
  readonly config: Readonly<Record<string, unknown>>;
}

const rows: readonly Row[] = JSON.parse(
  readFileSync(new URL("./golden/models.json", import.meta.url), "utf8"),
);
const parse = (fields: object) => parseModelConfig(JSON.stringify(fields));
const rowOf = (name: string) => rows.find((row) => row.name === name)!;
const modelOf = (name: string) => parse(rowOf(name).config);

describe("the parameters of public models", () => {
  it.each(rows)("$name has the published number", ({ config, published }) => {
    expect(Math.abs(parse(config).counts!.total / published - 1)).toBeLessThan(0.005);
  });

  it("are at least forty, dense and with experts", () => {
    expect(rows.length).toBeGreaterThanOrEqual(40);
    expect(rows.filter(({ config }) => parse(config).experts !== undefined).length).toBeGreaterThanOrEqual(7);
  });

  it("are fewer for one token: DeepSeek-V3 gives 37 thousand million, Qwen2 14", () => {
    expect(modelOf("DeepSeek-V3").counts!.active / 37e9).toBeCloseTo(1, 1);
    expect(modelOf("Qwen2 57B-A14B").counts!.active / 14e9).toBeCloseTo(1, 1);
    expect(modelOf("Llama 3.1 8B").counts!.active).toBe(modelOf("Llama 3.1 8B").counts!.total);
  });

  it.each([
    ["Mixtral 8x7B", { num_local_experts: 8, num_experts_per_tok: 9 }, /num_experts_per_tok must be at most/],
    ["Qwen3 30B-A3B", { decoder_sparse_step: 2 }, /decoder_sparse_step must be 1/],
    ["Qwen3 30B-A3B", { mlp_only_layers: [0] }, /mlp_only_layers must be empty/],
    ["Llama 3.1 8B", { num_experts: 8 }, /a mixture of experts \(num_experts: 8\) of model_type "llama"/],
    ["Mistral 7B v0.1", { attention_bias: true }, /biases of its own \(attention_bias: true\)/],
    ["Phi-2", { qk_layernorm: true }, /norms of queries and keys/],
    ["OPT 125M", { word_embed_proj_dim: 512 }, /word_embed_proj_dim must be the hidden size, 768; got 512/],
    ["Llama 3.1 8B", { tie_word_embeddings: "no" }, /tie_word_embeddings must be true or false/],
  ])("%s with %j is refused by name", (name, fields, message) => {
    expect(() => parse({ ...rowOf(name).config, ...fields })).toThrow(message);
  });
});

describe("the costs of experts", () => {
  const model = modelOf("Qwen3 30B-A3B");
  const microBatch = { size: 1, sequenceLength: 4096, recompute: false };
  const device = {
    ...{ peakFlops: 989e12, efficiency: 0.5, memoryBytes: 80e9, allReduceBandwidth: 50e9 },
    link: { latency: 0, bandwidth: 50e9 },
  };
  const stagesOn = (devices: number) => stageShapes(model, [24, 24], microBatch, devices);

  it("count the tokens sent to other devices: 2 x tokens x chosen x hidden x 2 bytes x (E-1)/E a layer", () => {
    fc.assert(
      fc.property(fc.constantFrom(1, 2, 4, 8, 128), (devices) => {
        const bytes = (24 * 2 * 4096 * 8 * 2048 * 2 * (devices - 1)) / devices;
        expect(stagesOn(devices)[0]!.experts!.exchangeBytes).toBeCloseTo(bytes, 3);
      }),
    );
  });

  it("leave each device its share of the experts, and the same work", () => {
    const [one, eight] = [stagesOn(1)[1]!, stagesOn(8)[1]!];
    expect(eight.experts!.parameters).toBe(one.experts!.parameters / 8);
    expect(eight.parameters).toBe(one.parameters - (one.experts!.parameters * 7) / 8);
    expect(eight.flops).toEqual(one.flops);
  });

  it("add the all-to-alls to F and I, and let a pair hide the shorter of computation and communication", () => {
    const of = (devices: number, bandwidth: number) =>
      stageCostModel(stagesOn(devices), { ...device, link: { latency: 0, bandwidth } }, model, microBatch);
    const at = (cost: unknown) => (cost as number[])[0]!;
    const alone = of(1, 50e9);
    const computation = at(alone.F) + at(alone.I) + at(alone.W);
    expect(alone.FB).toBeUndefined();
    for (const bandwidth of [1e9, 1e15]) {
      const spread = of(8, bandwidth);
      const exchange = stagesOn(8)[0]!.experts!.exchangeBytes / bandwidth;
      expect(at(spread.F)).toBeCloseTo(at(alone.F) + exchange, 9);
      expect(at(spread.I)).toBeCloseTo(at(alone.I) + exchange, 9);
      expect(at(spread.W)).toBeCloseTo(at(alone.W), 9);
      expect(at(spread.FB)).toBeCloseTo(Math.max(computation, 2 * exchange), 9);
    }
  });

  it("begin after the layers without experts", () => {
    const deepseek = modelOf("DeepSeek-V3");
    const stages = stageShapes(deepseek, [2, 2, 57], microBatch);
    expect(stages.map(({ experts }) => experts?.numLayers ?? 0)).toEqual([0, 1, 57]);
  });
});
