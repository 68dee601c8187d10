import { createHash } from "node:crypto";
import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomically } from "../files/atomic-file.ts";
import { readSafetensorsHeader, type TensorEntry, writeSafetensors } from "../files/safetensors.ts";
import { CheckpointError } from "./checkpoint/checkpoint-error.ts";
import { MANIFEST_FILE, type Manifest, TOKENIZER_FILE } from "./checkpoint/manifest.ts";
import { CheckpointStore, partsOf, readCheckpoint } from "./checkpoint/store.ts";
import { formatConfig, loadConfig, type TrainConfig } from "./config/config.ts";

export const CONFIG_FILE = "config.yaml";
export const WEIGHTS_FILE = "model.safetensors";

/** A trained model on disk, in a run's folder or in a checkpoint. */
export interface SavedModel {
  /** Steps that it was trained for. */
  readonly step: number;
  readonly config: TrainConfig;
  readonly weightFiles: readonly string[];
  readonly tokenizerFile: string;
}

/**
 * Writes the final weights and the tokenizer of a run into its folder.
 * @returns The paths of the files, by what they are.
 */
export async function saveFinalModel(
  folder: string,
  model: {
    readonly step: number;
    readonly config: TrainConfig;
    readonly weights: readonly TensorEntry[];
    readonly tokenizer: object;
  },
): Promise<{ readonly weights: string; readonly tokenizer: string }> {
  const files = { weights: join(folder, WEIGHTS_FILE), tokenizer: join(folder, TOKENIZER_FILE) };
  // A later run in the same folder replaces config.yaml first: the checksum tells that these weights are not its own.
  const configSha256 = sha256(formatConfig(model.config));
  await writeSafetensors(files.weights, model.weights, {
    format: "pt",
    step: String(model.step),
    configSha256,
  });
  await writeFileAtomically(files.tokenizer, (file) => file.writeFile(JSON.stringify(model.tokenizer)));
  return files;
}

/**
 * Finds a trained model.
 * @param source The folder of a checkpoint or of a run. Of a run that is done, the final weights are taken; otherwise
 * its newest whole checkpoint.
 * @param print Called with a line for each damaged checkpoint that is passed over.
 * @throws CheckpointError
 */
export async function findSavedModel(source: string, print: (text: string) => void): Promise<SavedModel> {
  if (await exists(join(source, MANIFEST_FILE))) return savedIn(source, await readCheckpoint(source));
  const final = await finalModelIn(source);
  if (final) return final;
  const store = new CheckpointStore(source);
  const newest = await store.latest((name, error) => print(`${error.message}; passing over ${name}`));
  if (newest) return savedIn(store.pathOf(newest.name), newest.manifest);
  throw new CheckpointError(
    "CHECKPOINT_NOT_FOUND",
    `${source} must be a checkpoint, or a run with final weights or a whole checkpoint; it has neither`,
  );
}

function savedIn(folder: string, manifest: Manifest): SavedModel {
  const { step, config } = manifest;
  return {
    step,
    config,
    weightFiles: partsOf(folder, manifest),
    tokenizerFile: join(folder, TOKENIZER_FILE),
  };
}

/** The final model of a run, if the run that the folder's `config.yaml` is from has ended. */
async function finalModelIn(folder: string): Promise<SavedModel | undefined> {
  const [weights, configFile] = [join(folder, WEIGHTS_FILE), join(folder, CONFIG_FILE)];
  if (!(await exists(weights)) || !(await exists(configFile))) return undefined;
  const { metadata } = await readSafetensorsHeader(weights);
  if (metadata.configSha256 !== sha256(await readFile(configFile, "utf8"))) return undefined;
  return {
    step: Number(metadata.step),
    config: await loadConfig(configFile),
    weightFiles: [weights],
    tokenizerFile: join(folder, TOKENIZER_FILE),
  };
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
