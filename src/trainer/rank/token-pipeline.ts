import { noGrad } from "../../autograd/grad-mode.ts";
import { crossEntropy } from "../../autograd/operators/loss.ts";
import { cast } from "../../autograd/operators/pointwise.ts";
import { Pipeline } from "../../engine/pipeline.ts";
import { stagesOfRank } from "../../engine/pipeline-options.ts";
import { type RecordedTrack, Recorder } from "../../engine/record/recorder.ts";
import type { RankContext } from "../../launch/rank-context.ts";
import { familyOf } from "../../models/families.ts";
import type { LanguageStage } from "../../models/model-family.ts";
import type { Runtime } from "../../tensor/runtime.ts";
import { seedFor } from "../../tensor/seed.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { type ModelState, modelStateOf } from "../checkpoint/model-state.ts";
import { modelContextOf, numStages, scheduleOf, type TrainConfig } from "../config/config.ts";
import type { MicroBatch } from "../data/batches.ts";

/** A rank's stages of the model in its replica's pipeline, which takes batches of tokens. */
export class TokenPipeline {
  readonly state: ModelState;
  readonly #runtime: Runtime;
  readonly #rank: number;
  readonly #config: TrainConfig;
  readonly #recorder: Recorder;
  readonly #stages: readonly LanguageStage[];
  readonly #pipeline: Pipeline;

  constructor({ runtime, rank, processGroup }: RankContext, config: TrainConfig) {
    this.#runtime = runtime;
    this.#rank = rank;
    this.#config = config;
    this.#recorder = new Recorder(runtime.device);
    runtime.device.setTf32?.(config.training.tf32);
    const { model, pipeline } = config;
    const { ranks, replicas } = pipeline;
    const schedule = scheduleOf(pipeline);
    const { seed } = config.training;
    const stageIndices = stagesOfRank(schedule, ranks, rank % ranks);
    this.#stages = familyOf(model).stages({
      model,
      context: modelContextOf(config),
      numStages: numStages(pipeline),
      stageIndices,
      runtime,
      seed,
    });
    if (config.training.dtype === "bfloat16" && config.optimizer.masterWeights)
      for (const stage of this.#stages)
        for (const parameter of stage.parameters()) parameter.gradDtype = "float32";
    runtime.seed(seedFor(seed, `rank ${rank}`));
    this.#pipeline = new Pipeline({
      schedule,
      modules: new Map(stageIndices.map((stageIndex, i) => [stageIndex, this.#stages[i]!])),
      processGroup,
      numReplicas: replicas,
      shardUpdates: true,
      recorder: this.#recorder,
      useGraphs: config.training.graphs,
    });
    this.state = modelStateOf(this.#stages, this.#pipeline);
  }

  /**
   * Runs forward and backward of this replica's part of a batch.
   * @param isRecorded False lets the step run as a graph, which leaves no track.
   * @returns The sum of the losses, one for each micro-batch, that came out at this rank.
   */
  forwardBackward(batch: readonly MicroBatch[], isRecorded = true): number {
    const { microBatches } = this.#config.pipeline;
    // A row is a micro-batch here.
    const rows = this.#pipeline.rowsOf(batch.length, microBatches);
    return this.#runtime.scope(() => {
      const inputs = rows.inputs.length > 0 ? this.#tokens(rows.inputs.map((i) => batch[i]!.inputs)) : null;
      const labels = rows.labels.length > 0 ? [this.#tokens(rows.labels.map((i) => batch[i]!.targets))] : [];
      const { loss } = this.#pipeline.step(inputs, {
        numChunks: microBatches,
        criterion: tokenLoss,
        labels,
        isRecorded,
      });
      return loss === null ? 0 : loss.toArray().reduce((sum, value) => sum + value, 0);
    });
  }

  /** Runs batches forward only, without dropout. @returns The sum of the losses that came out at this rank. */
  evaluate(batches: readonly (readonly MicroBatch[])[]): number {
    for (const stage of this.#stages) stage.eval();
    const total = noGrad(this.#runtime, () =>
      batches.reduce((sum, batch) => sum + this.forwardBackward(batch), 0),
    );
    for (const stage of this.#stages) stage.train();
    this.takeTrack();
    return total;
  }

  /** Whether steps can run as graphs, as far as is known. */
  get hasGraphs(): boolean {
    return this.#config.training.graphs && this.#pipeline.graphProblem === undefined;
  }

  /** Frees the graphs. */
  dispose(): void {
    this.#pipeline.dispose();
  }

  /** Gives the new values of the owned parameters to the other ranks that hold them, and takes theirs. */
  shareUpdates(): void {
    this.#pipeline.shareUpdates();
  }

  /** What this rank has computed since the last call. */
  takeTrack(): RecordedTrack {
    return this.#recorder.take(this.#rank);
  }

  /** The tokens of some micro-batches, [micro-batches x microBatchSize, sequenceLength]. */
  #tokens(microBatches: readonly BigInt64Array[]): Tensor {
    const { microBatchSize, sequenceLength } = this.#config.training;
    const size = microBatchSize * sequenceLength;
    const all = new BigInt64Array(microBatches.length * size);
    microBatches.forEach((tokens, i) => {
      all.set(tokens, i * size);
    });
    return this.#runtime.fromArray(all, [microBatches.length * microBatchSize, sequenceLength], "int64");
  }
}

/** A loss in bfloat16 would have two or three digits. */
function tokenLoss(logits: Tensor, targets: Tensor): Tensor {
  return crossEntropy(logits.dtype === "bfloat16" ? cast(logits, "float32") : logits, targets);
}
