import { noGrad } from "../autograd/grad-mode.ts";
import { OptionError } from "../nn/errors.ts";
import { withSeed } from "../nn/initial.ts";
import * as kernels from "../tensor/kernels/index.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { GptStage } from "./gpt/gpt.ts";

export interface GenerateOptions {
  readonly numTokens: number;
  /** The logits are divided by it: under 1 likely tokens become likelier; 0 always takes the likeliest. 1 when left out. */
  readonly temperature?: number;
  /** Only so many of the likeliest tokens are drawn from; all when left out. */
  readonly topK?: number;
  readonly seed?: number;
}

/**
 * Tokens that the model continues `prompt` with, one drawn at a time from its distribution; of a longer text than the
 * context it sees the end. `stages` are all stages of the model, in order, in one runtime.
 * @throws OptionError
 */
export function generate(
  stages: readonly GptStage[],
  prompt: readonly number[],
  options: GenerateOptions,
): number[] {
  const { numTokens, seed = 0 } = options;
  checkOptions(stages, prompt, options);
  const { runtime, config } = stages[0]!;
  const tokens = [...prompt];
  withSeed(runtime, seed, () =>
    noGrad(runtime, () => {
      for (let i = 0; i < numTokens; i++) {
        const seen = tokens.slice(-config.contextLength);
        tokens.push(runtime.scope(() => draw(lastLogits(stages, seen), options)));
      }
    }),
  );
  return tokens.slice(prompt.length);
}

/** [V] */
function lastLogits(stages: readonly GptStage[], tokens: readonly number[]): Tensor {
  const { runtime } = stages[0]!;
  let x = runtime.tensor(tokens, [1, tokens.length], "int64");
  for (const stage of stages) x = stage.call(x);
  return kernels.select(kernels.select(x, 0, 0), 0, -1);
}

function draw(logits_V: Tensor, { temperature = 1, topK }: GenerateOptions): number {
  if (temperature === 0) return kernels.argmax(logits_V).item();
  const numCandidates = Math.min(topK ?? Number.POSITIVE_INFINITY, logits_V.numElements);
  const [values, tokens] = kernels.topk(logits_V, numCandidates);
  const probabilities = kernels.softmaxInDtype(kernels.divScalar(values, temperature), 0, "float64");
  return kernels.indexSelect(tokens, 0, kernels.multinomial(probabilities, 1)).item();
}

function checkOptions(
  stages: readonly GptStage[],
  prompt: readonly number[],
  { temperature = 1, topK = 1 }: GenerateOptions,
): void {
  const numLayers = stages.reduce((sum, { transformer }) => sum + [...transformer.h].length, 0);
  const hasEnds = stages[0]?.transformer.wte != null && stages.at(-1)?.lm_head != null;
  if (!hasEnds || numLayers !== stages[0]!.config.numLayers)
    throw new OptionError("generate takes all stages of a model, in order, from the embeddings to the head");
  if (prompt.length === 0)
    throw new OptionError("generate continues a prompt of one token at least; got none");
  if (!(temperature >= 0)) throw new OptionError(`a temperature is at least 0; got ${temperature}`);
  if (!(Number.isInteger(topK) && topK >= 1))
    throw new OptionError(`topK is a whole number of at least 1; got ${topK}`);
}
