import type { SafetensorsDtype } from "../../files/safetensors.ts";
import type { GptConfig } from "../../models/gpt/gpt.ts";
import type { DType } from "../../tensor/dtype.ts";
import type { TrainConfig } from "../config/config.ts";

/** The model that a config describes. */
export function gptConfigOf({ model, training, data }: TrainConfig): GptConfig {
  return {
    vocabSize: data.vocabSize,
    contextLength: training.sequenceLength,
    numLayers: model.numLayers,
    numHeads: model.numHeads,
    hiddenSize: model.hiddenSize,
    mlpRatio: model.mlpRatio,
    tieEmbeddings: model.tieEmbeddings,
    dropout: model.dropout,
    dtype: training.dtype,
  };
}

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

export function safetensorsDtypeOf(dtype: DType): SafetensorsDtype {
  return SAFETENSORS_DTYPES[dtype];
}

/** @throws TypeError for a dtype that no tensor here can have */
export function dtypeOfSafetensors(dtype: SafetensorsDtype): DType {
  const found = Object.entries(SAFETENSORS_DTYPES).find(([, name]) => name === dtype);
  if (found === undefined) throw new TypeError(`dualpipe: no tensor can be ${dtype}`);
  return found[0] as DType;
}
