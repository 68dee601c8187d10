/**
 * Modules and layers, with the names, options, initial values and state-dict keys of PyTorch's `torch.nn`.
 * @module dualpipe/nn
 */
export { ModuleList, Sequential } from "./containers.ts";
export { ModuleError } from "./errors.ts";
export { withSeed } from "./initial.ts";
export {
  GELU,
  Hardswish,
  LeakyReLU,
  ReLU,
  Sigmoid,
  SiLU,
  Softmax,
  Tanh,
} from "./layers/activation.ts";
export { CausalSelfAttention } from "./layers/attention.ts";
export { BatchNorm1d, BatchNorm2d, BatchNorm3d, type BatchNormOptions } from "./layers/batch-norm.ts";
export {
  Conv1d,
  Conv2d,
  Conv3d,
  type ConvLayerOptions,
  ConvTranspose1d,
  ConvTranspose2d,
  ConvTranspose3d,
} from "./layers/conv.ts";
export { Dropout } from "./layers/dropout.ts";
export { Embedding } from "./layers/embedding.ts";
export { Linear } from "./layers/linear.ts";
export { MLP } from "./layers/mlp.ts";
export { MultiheadAttention, type MultiheadAttentionOptions } from "./layers/multihead-attention.ts";
export { GroupNorm, LayerNorm, RMSNorm } from "./layers/norm.ts";
export { AdaptiveAvgPool, AvgPool, MaxPool } from "./layers/pool.ts";
export { GRU, LSTM, type RecurrentOptions, RNN } from "./layers/recurrent.ts";
export { Flatten, Identity } from "./layers/shape.ts";
export { TransformerEncoderLayer, type TransformerEncoderLayerOptions } from "./layers/transformer.ts";
export { Module } from "./module.ts";
export { ModuleBuffer } from "./module-buffer.ts";
export { loadModule, type SaveModuleOptions, type StoredDType, saveModule } from "./module-file.ts";
export { type LoadReport, type StateDict, StateDictError } from "./state-dict.ts";
