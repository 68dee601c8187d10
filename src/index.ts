/// <reference types="node" preserve="true" />
/**
 * Train neural networks across devices with DualPipe. Schedules alone, without LibTorch, are in `dualpipe/schedule`.
 * @module dualpipe
 */
import type { GenerateTextOptions } from "./trainer/generate-text.ts";
import type { TrainOptions, TrainSummary } from "./trainer/train.ts";

export * from "./autograd/index.ts";
export * as ops from "./autograd/index.ts";
export * from "./data/index.ts";
export * as data from "./data/index.ts";
export type { BatchPart, BatchRows, BatchTensors } from "./engine/batch/batch-part.ts";
export { DualPipe, type DualPipeOptions, DualPipeV } from "./engine/dualpipe.ts";
export { StepError, type StepErrorCode, type StepLocation } from "./engine/errors/step-error.ts";
export { type Batch, type SameForAll, sameForAll } from "./engine/micro-batches.ts";
export { Pipeline } from "./engine/pipeline.ts";
export {
  type ModulesByStage,
  numStagesOf,
  type PipelineOptions,
  stagesOfRank,
} from "./engine/pipeline-options.ts";
export type { PlannedComputation } from "./engine/rank-plan.ts";
export { type Communication, communicationOf } from "./engine/record/communication.ts";
export { type RecordedTrack, Recorder, timelineOf } from "./engine/record/recorder.ts";
export type { OverlapBackward, OverlapForward, OverlapHook, OverlapResult } from "./engine/stage/overlap.ts";
export type { Criterion, StageModule } from "./engine/stage/stage.ts";
export type { StepInputs, StepOptions, StepResult } from "./engine/step-data.ts";
export type { StepObserver } from "./engine/step-observer.ts";
export { DualPipeError } from "./errors/dualpipe-error.ts";
export { OptionError } from "./errors/option-error.ts";
export { FileError, type FileErrorCode } from "./files/file-error.ts";
export {
  readSafetensors,
  SafetensorsError,
  type SafetensorsErrorCode,
  type TensorEntry,
  writeSafetensors,
} from "./files/safetensors.ts";
export { LaunchError, type LaunchErrorCode } from "./launch/launch-error.ts";
export { type ProcessPlacement, processPlacement } from "./launch/process-placement.ts";
export type { RankContext, RankProgram } from "./launch/rank-context.ts";
export { RankError } from "./launch/rank-error.ts";
export { type RunRanksOptions, runRanks } from "./launch/run-ranks.ts";
export { type GenerateOptions, generate } from "./models/generate.ts";
export { type GptConfig, GptStage } from "./models/gpt/gpt.ts";
export { type GptStagesOptions, gptStages } from "./models/gpt/stages.ts";
export { NativeSetupError } from "./native/setup-error.ts";
export * from "./nn/index.ts";
export * as nn from "./nn/index.ts";
export * from "./optim/index.ts";
export * as optim from "./optim/index.ts";
export type { Argument } from "./tensor/calls/native-arguments.ts";
export type { Device, MemoryUse, TimedTransfer } from "./tensor/device.ts";
export type { DeviceChoice, LoadOptions } from "./tensor/device-choice.ts";
export { type DType, dtypeCode } from "./tensor/dtype.ts";
export {
  ArgumentError,
  DeviceError,
  DtypeError,
  InPlaceError,
  LibTorchError,
  type LibTorchErrorCode,
  ShapeError,
  TensorDisposedError,
} from "./tensor/errors.ts";
export { type Operator, operator } from "./tensor/native-operator.ts";
export { Runtime } from "./tensor/runtime.ts";
export { seedFor } from "./tensor/seed.ts";
export { finish, isSuspendable, type Suspendable, type Transfer } from "./tensor/suspension.ts";
export { Tensor } from "./tensor/tensor.ts";
export type { ElementArray } from "./tensor/values/elements.ts";
export type { NestedNumbers } from "./tensor/values/numbers.ts";
export { FolderError, RunFolderError, type RunFolderErrorCode } from "./trainer/check-folder.ts";
export { CheckpointRequests } from "./trainer/checkpoint/requests.ts";
export {
  ConfigError,
  type ConfigErrorCode,
  formatConfig,
  loadConfig,
  parseConfig,
  type TrainConfig,
} from "./trainer/config/config.ts";
export { type BpeTokenizer, createTokenizer } from "./trainer/data/tokenizer.ts";
export type { GenerateTextOptions } from "./trainer/generate-text.ts";
export { NonFiniteLossError } from "./trainer/rank/non-finite-loss.ts";
export type { BubbleReport } from "./trainer/report/bubble.ts";
export type {
  RunListener,
  RunReport,
  Speed,
  StepMetrics,
  ValidationMetrics,
} from "./trainer/report/listener.ts";
export type { ProgressOutput } from "./trainer/report/progress.ts";
export type { TrainOptions, TrainSummary } from "./trainer/train.ts";
export { allGatherNumbers } from "./transport/collectives.ts";
export { InProcessGroup, type InProcessOptions } from "./transport/in-process/in-process-group.ts";
export type { ChannelKind, Message, ProcessGroup, Receipt } from "./transport/process-group.ts";
export { TransportError, type TransportErrorCode } from "./transport/transport-error.ts";

/**
 * Trains a model as a configuration says: ranks in threads of this process, records and weights in files. The trainer
 * is loaded by the first call, because programs with a loop of their own do not need it.
 *
 * @throws RunFolderError, DataError, FileError, NonFiniteLossError (as a RankError with its code), RankError,
 * CheckpointError.
 */
export async function train(options: TrainOptions): Promise<TrainSummary> {
  const trainer = await import("./trainer/train.ts");
  return trainer.train(options);
}

/**
 * Continues a text with a trained model, on one rank.
 *
 * @param source The folder of a run or of one of its checkpoints.
 * @returns The prompt and its continuation, which ends early where the model ends the document.
 * @throws CheckpointError, OptionError
 */
export async function generateText(source: string, options: GenerateTextOptions): Promise<string> {
  const trainer = await import("./trainer/generate-text.ts");
  return trainer.generateText(source, options);
}
