import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Parameter } from "../../autograd/parameter.ts";
import { loadParameters } from "../../nn/state-dict.ts";
import type { NamedParameter, Optimizer } from "../../optim/optimizer.ts";
import type { Runtime } from "../../tensor/runtime.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { dtypeOfSafetensors, safetensorsDtypeOf } from "../model.ts";
import { readSafetensors, readSafetensorsHeader, type TensorEntry } from "../safetensors.ts";

/** Before the names of the optimizer's tensors, which are `PARAMETER.SLOT`; no parameter begins with it. */
export const OPTIMIZER_PREFIX = "optimizer/";

/** Copies of a rank's own parameters and of what its optimizer remembers of them. */
export function takePart(
  owned: readonly { readonly name: string; readonly parameter: Parameter }[],
  optimizer: Optimizer<{ learningRate: number }>,
): TensorEntry[] {
  const weights = owned.map(({ name, parameter }) => copyOf(name, parameter));
  const names = new Set(owned.map(({ name }) => name));
  const state = Object.entries(optimizer.stateDict())
    .filter(([key]) => names.has(parameterOf(key)))
    .map(([key, tensor]) => copyOf(OPTIMIZER_PREFIX + key, tensor));
  return [...weights, ...state];
}

/**
 * Sets a rank's parameters and its optimizer's state to what a checkpoint holds, whoever wrote it.
 * @param parameters All of the rank's, also those that its mirror saved.
 * @throws SafetensorsError; StateDictError when the checkpoint is of another model.
 */
export async function loadPart(
  runtime: Runtime,
  folder: string,
  parameters: readonly NamedParameter[],
  optimizer: Optimizer<{ learningRate: number }>,
): Promise<void> {
  const names = new Set(parameters.map(([name]) => name));
  const entries = await readTensors(folder, (key) =>
    names.has(key.startsWith(OPTIMIZER_PREFIX) ? parameterOf(key.slice(OPTIMIZER_PREFIX.length)) : key),
  );
  runtime.scope(() => {
    const weights: Record<string, Tensor> = {};
    const state: Record<string, Tensor> = {};
    for (const { name, dtype, shape, data } of entries) {
      const tensor = runtime.fromArray(data, shape, dtypeOfSafetensors(dtype));
      if (name.startsWith(OPTIMIZER_PREFIX)) state[name.slice(OPTIMIZER_PREFIX.length)] = tensor;
      else weights[name] = tensor;
    }
    loadParameters(`the model that ${folder} is to be loaded into`, parameters, weights, true);
    optimizer.loadStateDict(state);
  });
}

/** The tensors of all ranks' files whose names are wanted. */
async function readTensors(folder: string, isWanted: (name: string) => boolean): Promise<TensorEntry[]> {
  const files = (await readdir(folder)).filter((name) => name.endsWith(".safetensors")).sort();
  const found: TensorEntry[] = [];
  for (const file of files) {
    const path = join(folder, file);
    const wanted = (await readSafetensorsHeader(path)).tensors.map(({ name }) => name).filter(isWanted);
    if (wanted.length > 0) found.push(...(await readSafetensors(path, wanted)).tensors);
  }
  return found;
}

function copyOf(name: string, tensor: Tensor): TensorEntry {
  return {
    name,
    dtype: safetensorsDtypeOf(tensor.dtype),
    shape: tensor.shape,
    data: new Uint8Array(tensor.runtime.addon.toBytes(tensor.handle)),
  };
}

function parameterOf(stateKey: string): string {
  return stateKey.slice(0, stateKey.lastIndexOf("."));
}
