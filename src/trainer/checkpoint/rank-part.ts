import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { readSafetensors, readSafetensorsHeader, type TensorEntry } from "../../files/safetensors.ts";
import { loadParameters } from "../../nn/state-dict.ts";
import type { NamedParameter, Optimizer } from "../../optim/optimizer.ts";
import type { Runtime } from "../../tensor/runtime.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { CopiedTensor, CopyBuffer } from "./copy-buffer.ts";
import { dtypeOfSafetensors } from "./dtypes.ts";

/** Before the names of the optimizer's tensors, which are `PARAMETER.SLOT`; no parameter begins with it. */
const OPTIMIZER_PREFIX = "optimizer/";
/** Before the rank whose random generator it is. */
const RANDOM_PREFIX = "random/";

/** What of a run one rank has. */
export interface RankState {
  readonly runtime: Runtime;
  readonly rank: number;
  /** All parameters of its stages, also those that other ranks own. */
  readonly parameters: readonly NamedParameter[];
  /** Those that it saves, and of which its optimizer remembers something. */
  readonly owned: readonly NamedParameter[];
  readonly optimizer: Optimizer<{ learningRate: number }>;
  readonly copies: CopyBuffer;
}

/** True of the name of a weight, and of no other tensor of a checkpoint. */
export function isWeight(name: string): boolean {
  return !name.startsWith(OPTIMIZER_PREFIX) && !name.startsWith(RANDOM_PREFIX);
}

/**
 * Copies of a rank's own parameters, of what its optimizer remembers of them, and of its random generator's state. They
 * are overwritten by the next call.
 */
export function takePart({ runtime, rank, owned, optimizer, copies }: RankState): CopiedTensor[] {
  return runtime.scope(() => {
    const state = Object.entries(optimizer.stateDict());
    return copies.copy([
      ...owned,
      ...state.map(([key, tensor]) => [OPTIMIZER_PREFIX + key, tensor] as const),
      [`${RANDOM_PREFIX}${rank}`, runtime.randomState()],
    ]);
  });
}

/**
 * Sets a rank's parameters and its optimizer's state to what a checkpoint holds, whoever wrote it.
 * @param withRandomState Whether to go on with the random numbers of the rank of the same number.
 * @throws SafetensorsError; StateDictError when the checkpoint is of another model.
 */
export async function loadPart(folder: string, into: RankState, withRandomState: boolean): Promise<void> {
  const { runtime, rank, parameters, owned, optimizer } = into;
  const names = new Set(parameters.map(([name]) => name));
  const ownedNames = new Set(owned.map(([name]) => name));
  const entries = await readTensors(folder, (key) => {
    if (key.startsWith(RANDOM_PREFIX)) return withRandomState && key === `${RANDOM_PREFIX}${rank}`;
    if (key.startsWith(OPTIMIZER_PREFIX))
      return ownedNames.has(parameterOf(key.slice(OPTIMIZER_PREFIX.length)));
    return names.has(key);
  });
  runtime.scope(() => {
    const weights: Record<string, Tensor> = {};
    const state: Record<string, Tensor> = {};
    for (const { name, dtype, shape, data } of entries) {
      const tensor = runtime.fromArray(data, shape, dtypeOfSafetensors(dtype));
      if (name.startsWith(RANDOM_PREFIX)) runtime.setRandomState(tensor);
      else if (name.startsWith(OPTIMIZER_PREFIX)) state[name.slice(OPTIMIZER_PREFIX.length)] = tensor;
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

function parameterOf(stateKey: string): string {
  return stateKey.slice(0, stateKey.lastIndexOf("."));
}
