import { InternalError } from "../../errors/internal-error.ts";
import type { SafetensorsDtype } from "../../files/safetensors.ts";
import type { DType } from "../../tensor/dtype.ts";

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

/** The dtype that a tensor of a checkpoint has. Our own writer uses no other names. */
export function dtypeOfSafetensors(dtype: SafetensorsDtype): DType {
  const found = Object.entries(SAFETENSORS_DTYPES).find(([, name]) => name === dtype);
  if (found === undefined) throw new InternalError(`no tensor can have the dtype ${dtype} of a checkpoint`);
  return found[0] as DType;
}
