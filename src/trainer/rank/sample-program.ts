// Continues a prompt with the trained model, whole, on one rank; started in a thread of its own by train.ts.

import type { TensorEntry } from "../../files/safetensors.ts";
import type { RankContext } from "../../launch/rank-context.ts";
import { generate } from "../../models/generate.ts";
import { gptStages } from "../../models/gpt/stages.ts";
import type { DType } from "../../tensor/dtype.ts";
import type { Runtime } from "../../tensor/runtime.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { gptConfigOf } from "../checkpoint/dtypes.ts";
import type { TrainConfig } from "../config/config.ts";

export interface SampleRankData {
  readonly config: TrainConfig;
  readonly weights: readonly TensorEntry[];
  readonly prompt: readonly number[];
}

/** The tokens after the prompt. */
export default function sampleRank({ runtime, data }: RankContext<SampleRankData>): number[] {
  const { config, weights, prompt } = data;
  const { seed } = config.training;
  const [model] = gptStages({ config: gptConfigOf(config), numStages: 1, runtime, seed });
  model!.eval();
  runtime.scope(() => model!.loadStateDict(stateDictOf(runtime, weights, config.training.dtype)));
  const { numTokens, temperature, topK } = config.sample;
  return generate([model!], prompt, { numTokens, temperature, seed, ...(topK > 0 ? { topK } : {}) });
}

function stateDictOf(
  runtime: Runtime,
  weights: readonly TensorEntry[],
  dtype: DType,
): Record<string, Tensor> {
  return Object.fromEntries(
    weights.map(({ name, shape, data }) => [name, runtime.fromArray(data, shape, dtype)]),
  );
}
