import { noGrad } from "../autograd/grad-mode.ts";
import { OptionError } from "../errors/option-error.ts";
import { withSeed } from "../nn/initial.ts";
import * as kernels from "../tensor/kernels/index.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { LanguageStage } from "./model-family.ts";

export interface GenerateOptions {
  /** The number of tokens to generate. */
  readonly numTokens: number;
  /** Divides the logits: below 1, likely tokens become likelier; 0 always takes the likeliest. 1 by default. */
  readonly temperature?: number | undefined;
  /** Draws from the K likeliest tokens only; from all by default. */
  readonly topK?: number | undefined;
  /** Seeds the draws; 0 by default. */
  readonly seed?: number | undefined;
}

/** Below it, quotients of logits are infinite in float32, and no token but the likeliest would be drawn anyway. */
const LEAST_TEMPERATURE = 1e-30;

/**
 * Continues a prompt: draws one token at a time from the model's distribution. Of a text longer than the context, the
 * model sees the end.
 * @param stages All stages of the model, in order, in one runtime.
 * @returns The new tokens, without the prompt.
 * @throws OptionError
 *
 * @example
 * const stages = gptStages({ config, numStages: 4, runtime, seed: 1 });
 * const tokens = generate(stages, [15, 300, 42], { numTokens: 100, temperature: 0.8, topK: 50 });
 */
export function generate(
  stages: readonly LanguageStage[],
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

/** The logits of the token that follows, [V]. */
function lastLogits(stages: readonly LanguageStage[], tokens: readonly number[]): Tensor {
  const { runtime } = stages[0]!;
  let x = runtime.tensor(tokens, [1, tokens.length], "int64");
  for (const stage of stages) x = stage.call(x);
  return kernels.select(kernels.select(x, 0, 0), 0, -1);
}

function draw(logits_V: Tensor, { temperature = 1, topK }: GenerateOptions): number {
  if (temperature < LEAST_TEMPERATURE) return kernels.argmax(logits_V).item();
  const numCandidates = Math.min(topK ?? Number.POSITIVE_INFINITY, logits_V.numElements);
  const [values, tokens] = kernels.topk(logits_V, numCandidates);
  const probabilities = kernels.softmaxInDtype(kernels.div(values, temperature), 0, "float64");
  return kernels.indexSelect(tokens, 0, kernels.multinomial(probabilities, 1)).item();
}

function checkOptions(
  stages: readonly LanguageStage[],
  prompt: readonly number[],
  { temperature = 1, topK = 1 }: GenerateOptions,
): void {
  const [first, last] = [stages[0]?.slice, stages.at(-1)?.slice];
  const numLayers = stages.reduce((sum, { slice }) => sum + slice.endLayer - slice.firstLayer, 0);
  if (!first?.hasEmbeddings || !last?.hasHead || numLayers !== stages[0]!.config.numLayers)
    throw new OptionError("generate takes all stages of a model, in order, from the embeddings to the head");
  if (prompt.length === 0)
    throw new OptionError("generate continues a prompt of at least one token; got none");
  if (!(temperature >= 0)) throw new OptionError(`the temperature must be at least 0; got ${temperature}`);
  if (!(Number.isInteger(topK) && topK >= 1))
    throw new OptionError(`topK must be a whole number from 1; got ${topK}`);
}
