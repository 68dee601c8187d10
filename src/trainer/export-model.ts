import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomically } from "../files/atomic-file.ts";
import { fileErrorOf } from "../files/file-error.ts";
import {
  readSafetensors,
  readSafetensorsHeader,
  type TensorInfo,
  type TensorSource,
  writeSafetensors,
} from "../files/safetensors.ts";
import { familyOf } from "../models/families.ts";
import type { HuggingFaceLayout } from "../models/model-family.ts";
import { FolderError } from "./check-folder.ts";
import { MANIFEST_FILE, TOKENIZER_FILE } from "./checkpoint/manifest.ts";
import { nameInModel } from "./checkpoint/tensor-names.ts";
import { modelContextOf } from "./config/config.ts";
import { METRICS_FILE } from "./run-folder.ts";
import { findSavedModel } from "./saved-model.ts";

/** Files by which the folder of a run or of a checkpoint is known. */
const OF_RUNS = [METRICS_FILE, MANIFEST_FILE];

/**
 * Writes a trained model as a Hugging Face folder: `config.json`, `model.safetensors`, `tokenizer.json`.
 * @param source The folder of a checkpoint or of a run.
 * @returns The number of steps that the model was trained for.
 * @throws CheckpointError, FolderError, FileError
 */
export async function exportModel(
  source: string,
  target: string,
  print: (text: string) => void,
): Promise<number> {
  const { step, config, weightFiles, tokenizerFile } = await findSavedModel(source, print);
  if (OF_RUNS.some((name) => existsSync(join(target, name))))
    throw new FolderError(
      "FOLDER_UNUSABLE",
      `an export has files with the names of a run's, and would replace them; ${target} is the folder of a run or of a checkpoint; name another folder`,
    );
  const layout = familyOf(config.model).toHuggingFace(config.model, modelContextOf(config));
  const weights = await Promise.all(weightFiles.map((file) => weightsIn(file, layout)));
  await writeSafetensors(join(target, "model.safetensors"), weights.flat(), { format: "pt" });
  const text = `${JSON.stringify(layout.config, undefined, 2)}\n`;
  await writeFileAtomically(join(target, "config.json"), (file) => file.writeFile(text));
  const tokenizer = await readFile(tokenizerFile).catch((error: unknown) => {
    throw fileErrorOf(`${tokenizerFile} cannot be read`, error);
  });
  await writeFileAtomically(join(target, TOKENIZER_FILE), (file) => file.writeFile(tokenizer));
  return step;
}

/**
 * The weights and buffers of a file as the layout stores them. Each is read when it is written, so one at a time is in
 * memory.
 */
async function weightsIn(path: string, layout: HuggingFaceLayout): Promise<TensorSource[]> {
  const { tensors } = await readSafetensorsHeader(path);
  return tensors.flatMap((info) => {
    const own = nameInModel(info.name);
    if (own === undefined) return [];
    const read = async () => (await readSafetensors(path, [info.name])).tensors[0]!.data;
    const { name, isTransposed } = layout.tensorOf(own);
    const { dtype, shape } = info;
    return isTransposed
      ? { name, dtype, shape: shape.toReversed(), data: async () => transpose(await read(), info) }
      : { name, dtype, shape, data: read };
  });
}

/** Transposes a matrix into a buffer of its own. */
function transpose(data: Uint8Array<ArrayBuffer>, { shape }: TensorInfo): Uint8Array {
  const [rows, columns] = shape as [number, number];
  const Words = { 2: Uint16Array, 4: Uint32Array, 8: BigUint64Array }[data.byteLength / (rows * columns)]!;
  const from = new Words(data.buffer);
  const to = new Words(from.length);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) to[column * rows + row] = from[row * columns + column]!;
  return new Uint8Array(to.buffer);
}
