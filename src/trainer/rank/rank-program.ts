// What one rank of a training run does; started in a thread of its own by train.ts.

import { noGrad } from "../../autograd/grad-mode.ts";
import { crossEntropy } from "../../autograd/operators/loss.ts";
import { Pipeline, stagesOfRank } from "../../engine/pipeline.ts";
import { type RecordedTrack, Recorder } from "../../engine/recorder.ts";
import type { TensorEntry } from "../../files/safetensors.ts";
import type { RankContext } from "../../launch/rank-context.ts";
import type { GptStage } from "../../models/gpt/gpt.ts";
import { gptStages } from "../../models/gpt/stages.ts";
import { seedFor } from "../../nn/initial.ts";
import { AdamW } from "../../optim/adamw.ts";
import { clipFactor, scaleGradients, squaredGradNorm } from "../../optim/gradient-norm.ts";
import { type NamedParameter, type Optimizer, weightDecayGroups } from "../../optim/optimizer.ts";
import { SGD } from "../../optim/sgd.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { allGatherNumbers } from "../../transport/collectives.ts";
import { type CopiedTensor, CopyBuffer } from "../checkpoint/copy-buffer.ts";
import { gptConfigOf, safetensorsDtypeOf } from "../checkpoint/dtypes.ts";
import { loadPart, type RankState, takePart } from "../checkpoint/rank-part.ts";
import { type CheckpointRequest, RequestsOfRank } from "../checkpoint/requests.ts";
import { CheckpointStore } from "../checkpoint/store.ts";
import { numStages, type TrainConfig } from "../config/config.ts";
import { learningRateOf } from "../config/learning-rate.ts";
import { BatchSampler, type MicroBatch, validationBatches } from "../data/batches.ts";
import { NonFiniteLossError } from "./non-finite-loss.ts";

/** Tokens lie in memory that all threads share. */
export interface TrainRankData {
  readonly config: TrainConfig;
  readonly train: Uint16Array;
  readonly validation: Uint16Array;
  /** Memory of the main thread's `CheckpointRequests`. */
  readonly requests: SharedArrayBuffer;
  /** The checkpoint in `output.dir` to go on from, the steps it has done, and whether this rank has done there what it does here. */
  readonly resume:
    | { readonly checkpoint: string; readonly step: number; readonly isSameLayout: boolean }
    | undefined;
}

/** Sent by rank 0, but each rank's part of a checkpoint by itself; `ready` comes before the first step. Steps are counted from 1; losses are means over the tokens of a batch, in nats. */
export type TrainReport =
  | { readonly kind: "ready" }
  | {
      readonly kind: "step";
      readonly step: number;
      readonly loss: number;
      readonly learningRate: number;
      readonly gradientNorm: number;
    }
  | { readonly kind: "validation"; readonly step: number; readonly loss: number }
  | { readonly kind: "checkpoint"; readonly step: number; readonly tensors: readonly CopiedTensor[] };

export interface TrainRankResult {
  /** Of the last steps of this run, oldest first. */
  readonly tracks: readonly RecordedTrack[];
  /** Steps done, less than all when the run was asked to stop. */
  readonly step: number;
  /** The parameters that this rank owns. */
  readonly weights: readonly TensorEntry[];
}

/** Enough for medians that another program's burst does not move. */
const NUM_RECORDED_STEPS = 20;

const REQUESTS: readonly CheckpointRequest[] = ["none", "goOn", "stop"];

export default async function trainRank(context: RankContext<TrainRankData>): Promise<TrainRankResult> {
  const trainer = new RankTrainer(context);
  await trainer.resume();
  return trainer.run();
}

class RankTrainer {
  readonly #context: RankContext<TrainRankData>;
  readonly #config: TrainConfig;
  readonly #recorder = new Recorder(() => this.#context.runtime.device.nowMs());
  readonly #pipeline: Pipeline;
  readonly #stages: readonly GptStage[];
  readonly #state: RankState;
  readonly #requests: RequestsOfRank;

  constructor(context: RankContext<TrainRankData>) {
    const { runtime, rank, processGroup, data } = context;
    this.#context = context;
    this.#config = data.config;
    const { schedule, ranks, replicas } = data.config.pipeline;
    const { seed } = data.config.training;
    const stageIndices = stagesOfRank(schedule, ranks, rank % ranks);
    const stages = gptStages({
      config: gptConfigOf(data.config),
      numStages: numStages(data.config.pipeline),
      stageIndices,
      runtime,
      seed,
    });
    runtime.seed(seedFor(seed, `rank ${rank}`));
    const modules = new Map(stageIndices.map((stageIndex, i) => [stageIndex, stages[i]!]));
    this.#stages = stages;
    this.#pipeline = new Pipeline({
      schedule,
      modules,
      processGroup,
      numReplicas: replicas,
      shardUpdates: true,
      recorder: this.#recorder,
    });
    const owned = this.#pipeline
      .ownedParameters()
      .map(({ name, parameter }): NamedParameter => [name, parameter]);
    const parameters = stages.flatMap((stage) => stage.namedParameters());
    const optimizer = makeOptimizer(owned, data.config);
    this.#state = { runtime, rank, parameters, owned, optimizer, copies: new CopyBuffer() };
    this.#requests = new RequestsOfRank(data.requests);
  }

  /** Loads the checkpoint to go on from, if there is one. */
  async resume(): Promise<void> {
    const { data } = this.#context;
    if (data.resume === undefined) return;
    const { checkpoint, isSameLayout } = data.resume;
    const folder = new CheckpointStore(data.config.output.dir).pathOf(checkpoint);
    await loadPart(folder, this.#state, isSameLayout);
  }

  run(): TrainRankResult {
    const { training, validation, checkpoint } = this.#config;
    const { train, validation: heldOut } = this.#context.data;
    const sampler = new BatchSampler(train, this.#batchShape, training.seed);
    const validationSet = validationBatches(heldOut, this.#batchShape, validation.numBatches);
    const learningRate = learningRateOf(this.#config);
    this.#report({ kind: "ready" });
    const tracks: RecordedTrack[] = [];
    const validateIfDue = (step: number): void => {
      if (step % validation.everySteps === 0 || step === training.steps) this.#validate(step, validationSet);
    };
    let step = this.#context.data.resume?.step ?? 0;
    // A checkpoint is taken before the validation that follows its step.
    if (step > 0) validateIfDue(step);
    while (step < training.steps) {
      step++;
      const request = this.#trainStep(step, sampler.batchAt(step - 1), learningRate(step - 1));
      tracks.push(this.#recorder.take(this.#context.rank));
      if (tracks.length > NUM_RECORDED_STEPS) tracks.shift();
      const isDue = checkpoint.everySteps > 0 && step % checkpoint.everySteps === 0;
      if (isDue || request !== "none") this.#sendCheckpoint(step);
      if (request === "stop" && step < training.steps) break;
      validateIfDue(step);
    }
    return { tracks, step, weights: this.#weights() };
  }

  #sendCheckpoint(step: number): void {
    this.#requests.waitForTurn();
    const tensors = takePart(this.#state);
    this.#context.report({ kind: "checkpoint", step, tensors } satisfies TrainReport);
  }

  /** @returns What the main thread asked of all ranks in the meantime. */
  #trainStep(step: number, batch: readonly MicroBatch[], learningRate: number): CheckpointRequest {
    const { optimizer } = this.#state;
    const loss = this.#forwardBackward(batch);
    const owned = this.#state.owned.map(([, parameter]) => parameter);
    const numMicroBatches = batch.length;
    // Rank 0 alone looks, so that all ranks see a request after the same step.
    const request = this.#context.rank === 0 ? REQUESTS.indexOf(this.#requests.take()) : 0;
    const sums = sumOverRanks(this.#context, [loss.sum, squaredGradNorm(owned), request]);
    const meanLoss = sums[0]! / numMicroBatches;
    // The micro-batches' gradients were summed; their mean is what a loss over the whole batch would give.
    const squaredNorm = sums[1]! / numMicroBatches ** 2;
    const gradientNorm = Math.sqrt(squaredNorm);
    if (!Number.isFinite(meanLoss) || !Number.isFinite(gradientNorm))
      throw new NonFiniteLossError(step, meanLoss, gradientNorm);
    const { gradientClip } = this.#config.optimizer;
    const clip = gradientClip > 0 ? clipFactor(squaredNorm, gradientClip) : 1;
    scaleGradients(owned, clip / numMicroBatches);
    optimizer.learningRate = learningRate;
    optimizer.step();
    optimizer.zeroGrad();
    this.#pipeline.shareUpdates();
    this.#report({ kind: "step", step, loss: meanLoss, learningRate, gradientNorm });
    return REQUESTS[sums[2]!]!;
  }

  #validate(step: number, batches: readonly (readonly MicroBatch[])[]): void {
    const { runtime } = this.#context;
    for (const stage of this.#stages) stage.eval();
    const total = noGrad(runtime, () =>
      batches.reduce((sum, batch) => sum + this.#forwardBackward(batch).sum, 0),
    );
    for (const stage of this.#stages) stage.train();
    this.#recorder.take(this.#context.rank);
    const [sum] = sumOverRanks(this.#context, [total]);
    this.#report({
      kind: "validation",
      step,
      loss: sum! / (batches.length * this.#batchShape.numMicroBatches),
    });
  }

  /** One step of this replica on its part of the batch, and the sum of the losses that came out here. */
  #forwardBackward(whole: readonly MicroBatch[]): { sum: number } {
    const { runtime, rank } = this.#context;
    const { ranks, microBatches } = this.#config.pipeline;
    const first = Math.floor(rank / ranks) * microBatches;
    const batch = whole.slice(first, first + microBatches);
    const { entering, leaving } = this.#pipeline.endsOf(batch.length);
    return runtime.scope(() => {
      const inputs = entering.length > 0 ? this.#tokens(entering.map((i) => batch[i]!.inputs)) : null;
      const labels = leaving.length > 0 ? [this.#tokens(leaving.map((i) => batch[i]!.targets))] : [];
      const { loss } = this.#pipeline.step(inputs, {
        numChunks: batch.length,
        criterion: crossEntropy,
        labels,
      });
      return { sum: loss === null ? 0 : loss.toArray().reduce((sum, value) => sum + value, 0) };
    });
  }

  /** [micro-batches x microBatchSize, sequenceLength] */
  #tokens(microBatches: readonly BigInt64Array[]): Tensor {
    const { microBatchSize, sequenceLength } = this.#config.training;
    const size = microBatchSize * sequenceLength;
    const all = new BigInt64Array(microBatches.length * size);
    microBatches.forEach((tokens, i) => {
      all.set(tokens, i * size);
    });
    return this.#context.runtime.fromArray(
      all,
      [microBatches.length * microBatchSize, sequenceLength],
      "int64",
    );
  }

  #weights(): TensorEntry[] {
    const { runtime } = this.#context;
    return this.#state.owned.map(([name, parameter]) => ({
      name,
      dtype: safetensorsDtypeOf(parameter.dtype),
      shape: parameter.shape,
      data: new Uint8Array(runtime.readBytes(parameter)),
    }));
  }

  /** Of all replicas together. */
  get #batchShape() {
    const { training, pipeline } = this.#config;
    return {
      numMicroBatches: pipeline.replicas * pipeline.microBatches,
      microBatchSize: training.microBatchSize,
      sequenceLength: training.sequenceLength,
    };
  }

  #report(report: TrainReport): void {
    if (this.#context.rank === 0) this.#context.report(report);
  }
}

function makeOptimizer(
  parameters: readonly NamedParameter[],
  { optimizer }: TrainConfig,
): Optimizer<{ learningRate: number }> {
  const groups = weightDecayGroups(parameters, optimizer.weightDecay);
  switch (optimizer.kind) {
    case "adamw":
      return new AdamW(groups, {
        learningRate: optimizer.learningRate,
        betas: optimizer.betas,
        eps: optimizer.eps,
      });
    case "sgd":
      return new SGD(groups, { learningRate: optimizer.learningRate, momentum: optimizer.momentum });
    default:
      return optimizer satisfies never;
  }
}

/** Sums in the order of the ranks, so that every rank gets the same bits. */
function sumOverRanks({ processGroup }: RankContext, numbers: readonly number[]): number[] {
  const byRank = allGatherNumbers(processGroup, numbers);
  return numbers.map((_, i) => byRank.reduce((sum, values) => sum + values[i]!, 0));
}
