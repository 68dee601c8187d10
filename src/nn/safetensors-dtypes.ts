import { InternalError } from "../errors/internal-error.ts";
import type { SafetensorsDtype } from "../files/safetensors.ts";
import type { DType } from "../tensor/dtype.ts";

const SAFETENSORS_DTYPES: Readonly<Record<DType, SafetensorsDtype>> = {
  uint8: "U8",
  int32: "I32",
  int64: "I64",
  float16: "F16",
  float32: "F32",
  float64: "F64",
  bool: "BOOL",
  bfloat16: "BF16",
};

/** The name of a dtype in a safetensors file. */
export function safetensorsDtypeOf(dtype: DType): SafetensorsDtype {
  return SAFETENSORS_DTYPES[dtype];
}

/** The dtype of a tensor that we wrote; our own writers use no other names. */
export function dtypeOfSafetensors(dtype: SafetensorsDtype): DType {
  const found = dtypeIfTensor(dtype);
  if (found === undefined) throw new InternalError(`no tensor can have the dtype ${dtype} of a checkpoint`);
  return found;
}

/** The dtype of a tensor of a file; undefined when no tensor can have it. */
export function dtypeIfTensor(dtype: SafetensorsDtype): DType | undefined {
  return (Object.keys(SAFETENSORS_DTYPES) as DType[]).find((name) => SAFETENSORS_DTYPES[name] === dtype);
}
