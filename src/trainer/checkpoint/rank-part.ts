/*
 * A checkpoint must load on other ranks, under another schedule or with other replicas than it was written on. So a
 * rank's file says nothing about ranks: it has tensors under their names in the whole model (tensor-names.ts), each in
 * exactly one file, by the rank that owns the parameter or buffer. To load, a rank goes through the headers of all
 * files and reads the tensors that its own stages name, whichever rank wrote them.
 *
 * The state of a rank's random generator is the exception, because it belongs to the rank. It is used only when the
 * layout is the one of the checkpoint, and the device of the same kind, whose states have one size; otherwise the ranks
 * draw new numbers.
 */
import { readSafetensors, readSafetensorsHeader, type TensorEntry } from "../../files/safetensors.ts";
import { dtypeOfSafetensors, safetensorsDtypeOf } from "../../nn/safetensors-dtypes.ts";
import { loadState } from "../../nn/state-dict.ts";
import type { Optimizer } from "../../optim/optimizer.ts";
import type { Runtime } from "../../tensor/runtime.ts";
import { sameShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { CopiedTensor, CopyBuffer } from "./copy-buffer.ts";
import type { ModelState } from "./model-state.ts";
import { BUFFER_PREFIX, nameInModel, OPTIMIZER_PREFIX, RANDOM_PREFIX } from "./tensor-names.ts";

/** The part of a run's state that one rank has. */
export interface RankState extends ModelState {
  readonly runtime: Runtime;
  readonly rank: number;
  /** Has state for the parameters that the rank owns. */
  readonly optimizer: Optimizer<{ learningRate: number }>;
  readonly copies: CopyBuffer;
}

/**
 * Copies a rank's own parameters and buffers, its optimizer's state and its random generator's state. The next call
 * overwrites the copies.
 */
export function takePart(state: RankState): CopiedTensor[] {
  const { runtime, rank, copies } = state;
  return runtime.scope(() =>
    copies.copy([...tensorsOfState(state), [`${RANDOM_PREFIX}${rank}`, runtime.randomState()]]),
  );
}

/** A rank's own parameters and buffers and its optimizer's state, by their names in a checkpoint. */
export function tensorsOfState({
  owned,
  ownedBuffers,
  optimizer,
}: RankState): (readonly [name: string, Tensor])[] {
  const prefixed = (prefix: string, tensors: readonly (readonly [string, Tensor])[]) =>
    tensors.map(([name, tensor]) => [prefix + name, tensor] as const);
  const state = Object.entries(optimizer.stateDict());
  return [...owned, ...prefixed(BUFFER_PREFIX, ownedBuffers), ...prefixed(OPTIMIZER_PREFIX, state)];
}

/** Copies a rank's own parameters and buffers, by their names in the model. */
export function weightsOf({ runtime, owned, ownedBuffers }: RankState): TensorEntry[] {
  return [...owned, ...ownedBuffers].map(([name, tensor]) => ({
    name,
    dtype: safetensorsDtypeOf(tensor.dtype),
    shape: tensor.shape,
    data: new Uint8Array(runtime.readBytes(tensor)),
  }));
}

/**
 * Sets a rank's parameters, buffers and optimizer's state to those of a checkpoint.
 * @param files The paths of the parts, those of the manifest: other files in the folder are not the checkpoint's.
 * @param withRandomState Whether to continue the random numbers of the rank with the same number.
 * @throws SafetensorsError; StateDictError when the checkpoint is of another model: it lacks parameters or buffers, or
 * has them in other shapes or dtypes
 */
export async function loadPart(
  files: readonly string[],
  into: RankState,
  withRandomState: boolean,
): Promise<void> {
  const { runtime, rank, parameters, owned, buffers, optimizer } = into;
  const names = new Set([
    ...parameters.map(([name]) => name),
    ...buffers.map(([name]) => BUFFER_PREFIX + name),
  ]);
  const ownedNames = new Set(owned.map(([name]) => name));
  const entries = await readTensors(files, (key) => {
    if (key.startsWith(RANDOM_PREFIX)) return withRandomState && key === `${RANDOM_PREFIX}${rank}`;
    if (key.startsWith(OPTIMIZER_PREFIX))
      return ownedNames.has(parameterOf(key.slice(OPTIMIZER_PREFIX.length)));
    return names.has(key);
  });
  runtime.scope(() => {
    const model: Record<string, Tensor> = {};
    const state: Record<string, Tensor> = {};
    for (const { name, dtype, shape, data } of entries) {
      const tensor = runtime.fromArray(data, shape, dtypeOfSafetensors(dtype));
      if (name.startsWith(RANDOM_PREFIX)) {
        if (sameShape(shape, runtime.randomState().shape)) runtime.setRandomState(tensor);
      } else if (name.startsWith(OPTIMIZER_PREFIX)) state[name.slice(OPTIMIZER_PREFIX.length)] = tensor;
      else model[nameInModel(name)!] = tensor;
    }
    const owner = "the model that the checkpoint is loaded into";
    loadState(owner, [...parameters, ...buffers], model, "exact");
    optimizer.loadStateDict(state);
  });
}

/** Reads the wanted tensors from the files of all ranks. */
async function readTensors(
  files: readonly string[],
  isWanted: (name: string) => boolean,
): Promise<TensorEntry[]> {
  const found: TensorEntry[] = [];
  for (const path of files) {
    const wanted = (await readSafetensorsHeader(path)).tensors.map(({ name }) => name).filter(isWanted);
    if (wanted.length > 0) found.push(...(await readSafetensors(path, wanted)).tensors);
  }
  return found;
}

function parameterOf(stateKey: string): string {
  return stateKey.slice(0, stateKey.lastIndexOf("."));
}
