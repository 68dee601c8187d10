// A module in a safetensors file: what `torch.save(model.state_dict())` and `load_state_dict` are in PyTorch, and a
// format that other programs read. A file may have the float8 numbers that large models are published in; they are read
// as what they are, and copied into parameters of any dtype.
import { shown } from "../errors/shown.ts";
import { closestName, didYouMean } from "../errors/suggestion.ts";
import { float8ToFloat32, float32ToFloat8, isFloat8 } from "../files/float8.ts";
import {
  readSafetensors,
  readSafetensorsHeader,
  type SafetensorsDtype,
  SafetensorsError,
  type TensorEntry,
  type TensorSource,
  writeSafetensors,
} from "../files/safetensors.ts";
import { type DType, isFloatingPoint } from "../tensor/dtype.ts";
import { DtypeError } from "../tensor/errors.ts";
import * as kernels from "../tensor/kernels/index.ts";
import type { Runtime } from "../tensor/runtime.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { AnyModule } from "./module.ts";
import { dtypeIfTensor, safetensorsDtypeOf } from "./safetensors-dtypes.ts";
import type { LoadReport } from "./state-dict.ts";

const STORED_DTYPES = ["float32", "float64", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"] as const;

/** A dtype that parameters can be stored in. */
export type StoredDType = (typeof STORED_DTYPES)[number];

const FLOAT8 = { float8_e4m3fn: "F8_E4M3", float8_e5m2: "F8_E5M2" } as const;

/** Dtypes of files that no tensor has, with one that has all of their numbers. */
const WIDER: Readonly<
  Partial<Record<SafetensorsDtype, readonly [DType, (bytes: ArrayBuffer) => ArrayLike<number>]>>
> = {
  I8: ["int32", (bytes) => new Int8Array(bytes)],
  I16: ["int32", (bytes) => new Int16Array(bytes)],
  U16: ["int32", (bytes) => new Uint16Array(bytes)],
  U32: ["int64", (bytes) => new Uint32Array(bytes)],
};

export interface SaveModuleOptions {
  /** Converts the parameters in the file; by default each keeps its dtype. */
  readonly dtype?: StoredDType | undefined;
  /** Texts for the header of the file. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

/**
 * Writes the parameters and buffers of a module as a safetensors file, atomically, each once under its first name. The
 * values are those at the time of the call.
 * @throws FileError; SafetensorsError when a parameter is beyond the largest number of a float8
 *
 * @example
 * await saveModule("model.safetensors", model);
 * await loadModule("model.safetensors", model);
 */
export async function saveModule(
  path: string,
  module: AnyModule,
  { dtype, metadata = {} }: SaveModuleOptions = {},
): Promise<void> {
  const { runtime } = module;
  if (dtype !== undefined && !STORED_DTYPES.includes(dtype))
    throw new DtypeError(
      `saveModule: a dtype must be one of ${STORED_DTYPES.join(", ")}; got ${shown(dtype)}${didYouMean(closestName(String(dtype), STORED_DTYPES))}`,
    );
  const sources = [...module.namedParameters(), ...module.namedBuffers()].map(([name, tensor]) =>
    runtime.scope(() => sourceOf(path, name, tensor, isFloatingPoint(tensor.dtype) ? dtype : undefined)),
  );
  await writeSafetensors(path, sources, { format: "pt", ...metadata });
}

/**
 * Copies the tensors of a safetensors file into the parameters of a module, converting the dtype. Call it outside of a
 * scope, which cannot wait for a file.
 * @param options `strict: false` reads only the tensors that the module has, such as those of one stage.
 * @throws FileError; SafetensorsError; StateDictError with every name and shape that does not fit; DtypeError for a
 *   dtype that no parameter can have. The parameters are then unchanged.
 */
export async function loadModule(
  path: string,
  module: AnyModule,
  { strict = true }: { readonly strict?: boolean | undefined } = {},
): Promise<LoadReport> {
  const { runtime } = module;
  const inFile = (await readSafetensorsHeader(path)).tensors.map(({ name }) => name);
  const known = module.stateDict();
  const isKnown = (name: string): boolean => Object.hasOwn(known, name);
  const { tensors } = await readSafetensors(path, strict ? inFile : inFile.filter(isKnown));
  const { missing } = runtime.scope(() => {
    const dict = tensors.map((entry) => [entry.name, tensorOf(path, runtime, entry)] as const);
    return module.loadStateDict(Object.fromEntries(dict), { strict });
  });
  return { missing, unexpected: inFile.filter((name) => !isKnown(name)) };
}

function sourceOf(
  path: string,
  name: string,
  parameter: Tensor,
  dtype: StoredDType | undefined,
): TensorSource {
  const { runtime, shape } = parameter;
  if (dtype !== "float8_e4m3fn" && dtype !== "float8_e5m2") {
    const stored = dtype === undefined ? parameter : kernels.toDtype(parameter, dtype);
    const data = new Uint8Array(runtime.readBytes(stored));
    return { name, dtype: safetensorsDtypeOf(stored.dtype), shape, data };
  }
  const numbers = new Float32Array(runtime.readBytes(kernels.toDtype(parameter, "float32")));
  const data = float32ToFloat8(FLOAT8[dtype], numbers);
  if (data === undefined)
    throw new SafetensorsError(
      "SAFETENSORS_BAD_ENTRY",
      path,
      `it has numbers beyond the largest of ${dtype}; scale it first, or save another dtype`,
      name,
    );
  return { name, dtype: FLOAT8[dtype], shape, data };
}

function tensorOf(path: string, runtime: Runtime, { name, dtype, shape, data }: TensorEntry): Tensor {
  if (isFloat8(dtype)) return runtime.fromArray(float8ToFloat32(dtype, data), shape, "float32");
  const own = dtypeIfTensor(dtype);
  if (own !== undefined) return runtime.fromArray(data, shape, own);
  const wider = WIDER[dtype];
  if (wider === undefined)
    throw new DtypeError(
      `${path}: tensor ${JSON.stringify(name)} has the dtype ${dtype}, which no parameter can have; convert it, or read its bytes with readSafetensors`,
    );
  return runtime.tensor(wider[1](data.buffer), shape, wider[0]);
}
