// Continues a prompt with the whole trained model on one rank.
import type { TensorEntry } from "../../files/safetensors.ts";
import type { RankContext } from "../../launch/rank-context.ts";
import { familyOf } from "../../models/families.ts";
import { generate } from "../../models/generate.ts";
import { dtypeOfSafetensors } from "../../nn/safetensors-dtypes.ts";
import { modelContextOf, type TrainConfig } from "../config/config.ts";

export interface SampleData {
  readonly config: TrainConfig;
  readonly weights: readonly TensorEntry[];
  readonly prompt: readonly number[];
}

/** @returns The new tokens, without the prompt. */
export default function sampleProgram({ runtime, data }: RankContext<SampleData>): number[] {
  const { config, weights, prompt } = data;
  const { model, training } = config;
  const stages = familyOf(model).stages({
    model,
    context: modelContextOf(config),
    numStages: 1,
    stageIndices: [0],
    runtime,
    seed: training.seed,
  });
  for (const stage of stages) {
    stage.eval();
    runtime.scope(() => {
      const tensors = weights.map(({ name, shape, data, dtype }) => [
        name,
        runtime.fromArray(data, shape, dtypeOfSafetensors(dtype)),
      ]);
      stage.loadStateDict(Object.fromEntries(tensors));
    });
  }
  const { numTokens, temperature, topK } = config.sample;
  return generate(stages, prompt, {
    numTokens,
    temperature,
    seed: training.seed,
    ...(topK > 0 ? { topK } : {}),
  });
}
