import { Command, InvalidArgumentError } from "commander";
import { generateText } from "../trainer/generate-text.ts";
import { catchInterrupt } from "./interrupt.ts";
import { wholeNumber } from "./usage.ts";

interface GenerateCommandOptions {
  readonly prompt: string;
  readonly tokens?: number;
  readonly temperature?: number;
  readonly topK?: number;
  readonly seed?: number;
}

/** `dualpipe generate RUN --prompt TEXT`. */
export function generateCommand(): Command {
  return new Command("generate")
    .description(
      "Continue a text with a trained model. Options that are left out are those of the run's config.",
    )
    .argument("<run>", "a run's folder (output.dir) or one of its checkpoints")
    .requiredOption("--prompt <text>", "the text to continue", someText)
    .option("--tokens <count>", "the number of tokens to generate", wholeNumber)
    .option("--temperature <number>", "0 always takes the likeliest token", numberFrom0)
    .option("--top-k <count>", "draw from the K likeliest tokens; 0 draws from all", wholeNumber)
    .option("--seed <number>", "seeds the draws", wholeNumber)
    .action(async (run: string, options: GenerateCommandOptions) => {
      const { prompt, tokens, temperature, topK, seed } = options;
      using interrupt = catchInterrupt();
      const text = await generateText(run, {
        prompt,
        numTokens: tokens,
        temperature,
        topK,
        seed,
        signal: interrupt.signal,
        print: (line) => process.stderr.write(`${line}\n`),
      }).catch((error: unknown) => {
        interrupt.signal.throwIfAborted();
        throw error;
      });
      process.stdout.write(`${text}\n`);
    });
}

function someText(text: string): string {
  if (text === "") throw new InvalidArgumentError("It must be a text of at least one character.");
  return text;
}

function numberFrom0(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value < 0)
    throw new InvalidArgumentError("It must be a number from 0.");
  return value;
}
