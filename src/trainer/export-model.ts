import { createHash } from "node:crypto";
import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomically } from "../files/atomic-file.ts";
import {
  readSafetensors,
  readSafetensorsHeader,
  type TensorInfo,
  type TensorSource,
  writeSafetensors,
} from "../files/safetensors.ts";
import { CheckpointError } from "./checkpoint/checkpoint-error.ts";
import { MANIFEST_FILE, TOKENIZER_FILE } from "./checkpoint/manifest.ts";
import { isWeight } from "./checkpoint/rank-part.ts";
import { CheckpointStore, readCheckpoint } from "./checkpoint/store.ts";
import { loadConfig, type TrainConfig } from "./config/config.ts";

/** A trained model on disk, as a run or a checkpoint has it. */
interface SavedModel {
  readonly step: number;
  readonly config: TrainConfig;
  readonly weightFiles: readonly string[];
  readonly tokenizerFile: string;
}

/** Metadata by which the final weights of a run are known to be those of its present configuration. */
export function finalWeightsMetadata(step: number, configText: string): Record<string, string> {
  return { format: "pt", step: String(step), configSha256: sha256(configText) };
}

/**
 * Writes a folder as Hugging Face's GPT-2 models have it: `config.json`, `model.safetensors`, `tokenizer.json`.
 * @param source A checkpoint's folder, or a run's: its final weights, or its newest checkpoint when it is not done.
 * @returns The step after which the weights are.
 * @throws CheckpointError
 */
export async function exportModel(
  source: string,
  target: string,
  print: (text: string) => void,
): Promise<number> {
  const { step, config, weightFiles, tokenizerFile } = await findModel(source, print);
  const weights = (await Promise.all(weightFiles.map(weightsIn))).flat();
  await writeSafetensors(join(target, "model.safetensors"), weights, { format: "pt" });
  const text = `${JSON.stringify(gpt2ConfigOf(config), undefined, 2)}\n`;
  await writeFileAtomically(join(target, "config.json"), (file) => file.writeFile(text));
  const tokenizer = await readFile(tokenizerFile);
  await writeFileAtomically(join(target, TOKENIZER_FILE), (file) => file.writeFile(tokenizer));
  return step;
}

async function findModel(source: string, print: (text: string) => void): Promise<SavedModel> {
  if (await exists(join(source, MANIFEST_FILE))) return savedIn(source, await readCheckpoint(source));
  const final = await finalWeightsOf(source);
  if (final) return final;
  const store = new CheckpointStore(source);
  const newest = await store.latest((name, error) => print(`${error.message}; passing over ${name}`));
  if (newest) return savedIn(store.pathOf(newest.name), newest.manifest);
  throw new CheckpointError(
    "CHECKPOINT_NOT_FOUND",
    `${source} must be a checkpoint, or a run with a checkpoint or final weights; it has none that is whole`,
  );
}

function savedIn(folder: string, manifest: Awaited<ReturnType<typeof readCheckpoint>>): SavedModel {
  const weightFiles = manifest.files
    .filter(({ name }) => name.endsWith(".safetensors"))
    .map(({ name }) => join(folder, name));
  const { step, config } = manifest;
  return { step, config, weightFiles, tokenizerFile: join(folder, TOKENIZER_FILE) };
}

/** Undefined unless the run of the folder's present `config.yaml` has ended. */
async function finalWeightsOf(folder: string): Promise<SavedModel | undefined> {
  const [weights, configFile] = [join(folder, "model.safetensors"), join(folder, "config.yaml")];
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

/** Each tensor is read when it is written, so that one is in memory at a time. */
async function weightsIn(path: string): Promise<TensorSource[]> {
  const { tensors } = await readSafetensorsHeader(path);
  return tensors
    .filter(({ name }) => isWeight(name))
    .map((info) => {
      const read = async () => (await readSafetensors(path, [info.name])).tensors[0]!.data;
      const { name, dtype } = info;
      return isTransposed(info)
        ? { name, dtype, shape: info.shape.toReversed(), data: async () => transpose(await read(), info) }
        : { name, dtype, shape: info.shape, data: read };
    });
}

/** GPT-2's own layers keep their weights as [in, out], ours as [out, in]. */
function isTransposed({ name }: TensorInfo): boolean {
  return /\.(c_attn|c_proj|c_fc)\.weight$/.test(name);
}

/** Of a matrix in a buffer of its own. */
function transpose(data: Uint8Array<ArrayBuffer>, { shape }: TensorInfo): Uint8Array {
  const [rows, columns] = shape as [number, number];
  const Words = { 2: Uint16Array, 4: Uint32Array, 8: BigUint64Array }[data.byteLength / (rows * columns)]!;
  const from = new Words(data.buffer);
  const to = new Words(from.length);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) to[column * rows + row] = from[row * columns + column]!;
  return new Uint8Array(to.buffer);
}

function gpt2ConfigOf({ model, training, data }: TrainConfig) {
  const endOfText = data.vocabSize - 1;
  return {
    architectures: ["GPT2LMHeadModel"],
    model_type: "gpt2",
    vocab_size: data.vocabSize,
    n_positions: training.sequenceLength,
    n_embd: model.hiddenSize,
    n_layer: model.numLayers,
    n_head: model.numHeads,
    n_inner: model.mlpRatio * model.hiddenSize,
    activation_function: "gelu_new",
    layer_norm_epsilon: 1e-5,
    resid_pdrop: model.dropout,
    embd_pdrop: model.dropout,
    attn_pdrop: 0,
    tie_word_embeddings: model.tieEmbeddings,
    bos_token_id: endOfText,
    eos_token_id: endOfText,
    torch_dtype: training.dtype,
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
