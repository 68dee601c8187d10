import { Command } from "commander";
import { exportModel } from "../trainer/export-model.ts";

/** `dualpipe export SOURCE FOLDER`. */
export function exportCommand(): Command {
  return new Command("export")
    .description("Write a trained model as one folder in the style of Hugging Face.")
    .argument("<source>", "a run's folder (output.dir) or one of its checkpoints")
    .argument("<folder>", "where config.json, model.safetensors and tokenizer.json go")
    .action(async (source: string, folder: string) => {
      const step = await exportModel(source, folder, (text) => process.stderr.write(`${text}\n`));
      process.stdout.write(`the model after step ${step} is in ${folder}\n`);
    });
}
