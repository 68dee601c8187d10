import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomically } from "../files/atomic-file.ts";
import {
  readSafetensors,
  readSafetensorsHeader,
  type TensorInfo,
  type TensorSource,
  writeSafetensors,
} from "../files/safetensors.ts";
import { familyOf } from "../models/families.ts";
import type { HuggingFaceLayout } from "../models/model-family.ts";
import { TOKENIZER_FILE } from "./checkpoint/manifest.ts";
import { isWeight } from "./checkpoint/rank-part.ts";
import { modelContextOf } from "./config/config.ts";
import { findSavedModel } from "./saved-model.ts";

/**
 * Writes a trained model as a Hugging Face folder: `config.json`, `model.safetensors`, `tokenizer.json`.
 * @param source The folder of a checkpoint or of a run.
 * @returns The number of steps that the model was trained for.
 * @throws CheckpointError
 */
export async function exportModel(
  source: string,
  target: string,
  print: (text: string) => void,
): Promise<number> {
  const { step, config, weightFiles, tokenizerFile } = await findSavedModel(source, print);
  const layout = familyOf(config.model).toHuggingFace(config.model, modelContextOf(config));
  const weights = await Promise.all(weightFiles.map((file) => weightsIn(file, layout)));
  await writeSafetensors(join(target, "model.safetensors"), weights.flat(), { format: "pt" });
  const text = `${JSON.stringify(layout.config, undefined, 2)}\n`;
  await writeFileAtomically(join(target, "config.json"), (file) => file.writeFile(text));
  const tokenizer = await readFile(tokenizerFile);
  await writeFileAtomically(join(target, TOKENIZER_FILE), (file) => file.writeFile(tokenizer));
  return step;
}

/** The weights of a file as the layout stores them. Each is read when it is written, so one at a time is in memory. */
async function weightsIn(path: string, layout: HuggingFaceLayout): Promise<TensorSource[]> {
  const { tensors } = await readSafetensorsHeader(path);
  return tensors
    .filter(({ name }) => isWeight(name))
    .map((info) => {
      const read = async () => (await readSafetensors(path, [info.name])).tensors[0]!.data;
      const { name, isTransposed } = layout.tensorOf(info.name);
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
