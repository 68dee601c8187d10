import type { GptConfig, GptStage } from "../../src/models/gpt/gpt.ts";
import { gptStages } from "../../src/models/gpt/stages.ts";
import type { Runtime } from "../../src/tensor/runtime.ts";
import type { Batch } from "./batch-part.ts";

const MICRO_BATCH_SIZE = 2;

/** As many blocks as the most stages of any test. */
function gptConfig(tieEmbeddings: boolean, numLayers = 8): GptConfig {
  return { vocabSize: 17, contextLength: 5, numLayers, numHeads: 2, hiddenSize: 8, tieEmbeddings };
}

export function smallGpt(
  runtime: Runtime,
  tieEmbeddings: boolean,
  numStages: number,
  stageIndices?: readonly number[],
  numLayers?: number,
): GptStage[] {
  const chosen = stageIndices === undefined ? {} : { stageIndices };
  return gptStages({ config: gptConfig(tieEmbeddings, numLayers), numStages, ...chosen, runtime, seed: 7 });
}

/** Random token indices, and those that follow them; the same on every rank that asks. */
export function tokenBatch(runtime: Runtime, numMicroBatches: number): Batch {
  const { vocabSize, contextLength } = gptConfig(false);
  runtime.seed(99);
  const shape = [numMicroBatches * MICRO_BATCH_SIZE, contextLength];
  const inputs = runtime.randint(0, vocabSize, shape);
  return { inputs, targets: runtime.randint(0, vocabSize, shape), microBatchSize: MICRO_BATCH_SIZE };
}
