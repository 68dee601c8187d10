import { OptionError } from "../errors/option-error.ts";
import { shown } from "../errors/shown.ts";
import { readSafetensors, readSafetensorsHeader, type TensorEntry } from "../files/safetensors.ts";
import { nameInModel } from "./checkpoint/tensor-names.ts";
import { createTokenizer } from "./data/tokenizer.ts";
import { sampleOnRank } from "./rank/rank-threads.ts";
import { findSavedModel } from "./saved-model.ts";

export interface GenerateTextOptions {
  /** The text to continue. */
  readonly prompt: string;
  /** The number of tokens to generate; by default the run's `sample.numTokens`. */
  readonly numTokens?: number | undefined;
  /** 0 always takes the likeliest token; by default the run's `sample.temperature`. */
  readonly temperature?: number | undefined;
  /** Draws from the K likeliest tokens, or from all with 0; by default the run's `sample.topK`. */
  readonly topK?: number | undefined;
  /** Seeds the draws; by default the run's `training.seed`. */
  readonly seed?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with a line for each damaged checkpoint that is passed over. */
  readonly print?: ((text: string) => void) | undefined;
}

/**
 * Continues a text with a trained model.
 * @param source The folder of a run or of one of its checkpoints.
 * @returns The prompt and its continuation, which ends early where the model ends the document.
 * @throws CheckpointError, OptionError
 */
export async function generateText(source: string, options: GenerateTextOptions): Promise<string> {
  checkOptions(options);
  const { prompt, signal, print = () => {} } = options;
  const { config, weightFiles } = await findSavedModel(source, print);
  const { numTokens, temperature, topK } = config.sample;
  const tokenizer = createTokenizer(config.data.vocabSize);
  const tokens = tokenizer.encode(prompt);
  const weights = (await Promise.all(weightFiles.map(weightsIn))).flat();
  const ids = await sampleOnRank(
    {
      config: {
        ...config,
        training: { ...config.training, seed: options.seed ?? config.training.seed },
        sample: {
          prompt,
          numTokens: options.numTokens ?? numTokens,
          temperature: options.temperature ?? temperature,
          topK: options.topK ?? topK,
        },
      },
      weights,
      prompt: tokens,
    },
    signal,
  );
  const end = ids.indexOf(tokenizer.endOfTextId);
  return tokenizer.decode([...tokens, ...(end === -1 ? ids : ids.slice(0, end))]);
}

async function weightsIn(file: string): Promise<readonly TensorEntry[]> {
  const { tensors } = await readSafetensorsHeader(file);
  const names = tensors.map(({ name }) => name).filter((name) => nameInModel(name) !== undefined);
  const entries = (await readSafetensors(file, names)).tensors;
  return entries.map((entry) => ({ ...entry, name: nameInModel(entry.name)! }));
}

function checkOptions({ prompt, numTokens = 1, temperature = 0, topK = 0, seed = 0 }: GenerateTextOptions) {
  if (typeof prompt !== "string" || prompt === "")
    throw new OptionError(`the prompt must be a text of at least one character; got ${shown(prompt)}`);
  for (const [name, value] of Object.entries({ numTokens, topK, seed }))
    if (!Number.isSafeInteger(value) || value < 0)
      throw new OptionError(`${name} must be a whole number from 0; got ${value}`);
  if (!(temperature >= 0))
    throw new OptionError(`the temperature must be a number from 0; got ${temperature}`);
}
