// A run of a model with buffers, in as much as its checkpoints need: the trainer has no model with buffers of its own.
import { mseLoss } from "../../src/autograd/operators/loss.ts";
import { Pipeline } from "../../src/engine/pipeline.ts";
import { stagesOfRank } from "../../src/engine/pipeline-options.ts";
import type { RankContext } from "../../src/launch/rank-context.ts";
import { Module } from "../../src/nn/module.ts";
import { AdamW } from "../../src/optim/adamw.ts";
import type { Runtime } from "../../src/tensor/runtime.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { CopyBuffer } from "../../src/trainer/checkpoint/copy-buffer.ts";
import type { ManifestFile } from "../../src/trainer/checkpoint/manifest.ts";
import { modelStateOf } from "../../src/trainer/checkpoint/model-state.ts";
import { loadPart, type RankState, takePart, weightsOf } from "../../src/trainer/checkpoint/rank-part.ts";
import { CheckpointStore } from "../../src/trainer/checkpoint/store.ts";
import { checkFiniteWeights } from "../../src/trainer/rank/non-finite-weights.ts";
import { NormalizedStage, normalizedBatch } from "../ranks/normalized-model.ts";

/** The micro-batches of a step, over all replicas. */
const NUM_MICRO_BATCHES = 8;

export interface BuffersRun {
  readonly schedule: string;
  readonly numReplicas: number;
  /** The parts of the checkpoint to resume from. */
  readonly from?: readonly string[];
  /** Steps to take. */
  readonly numSteps: number;
  /** The folder of a run in which to save a checkpoint after the last step. */
  readonly saveIn?: string;
}

type Values = Readonly<Record<string, readonly number[]>>;

export interface BuffersResult {
  /** All parameters and buffers of the rank's stages. */
  readonly held: Values;
  /** Its part of the final weights. */
  readonly weights: readonly string[];
  /** Its part of the checkpoint, if one was saved. */
  readonly files: readonly ManifestFile[];
}

/** A stage with the names of the whole model. */
export class NamedStage extends Module {
  readonly stages: Readonly<Record<number, NormalizedStage>>;
  readonly #stage: NormalizedStage;

  constructor(runtime: Runtime, index: number) {
    super(runtime);
    this.#stage = new NormalizedStage(runtime, index);
    this.stages = { [index]: this.#stage };
  }

  forward(x: Tensor): Tensor {
    return this.#stage.call(x);
  }
}

/** What a rank with these stages saves. */
export function stateOf(
  runtime: Runtime,
  rank: number,
  pipe: Pipeline,
  stages: readonly Module[],
): RankState {
  const model = modelStateOf(stages, pipe);
  const optimizer = new AdamW(model.owned, { learningRate: 0.01 });
  return { ...model, runtime, rank, optimizer, copies: new CopyBuffer() };
}

export default async function run(context: RankContext<BuffersRun>): Promise<BuffersResult> {
  const { rank, numRanks, runtime, processGroup, data } = context;
  const { schedule, numReplicas, from, numSteps, saveIn } = data;
  const ranksPerReplica = numRanks / numReplicas;
  const indices = stagesOfRank(schedule, ranksPerReplica, rank % ranksPerReplica);
  const stages = indices.map((index) => new NamedStage(runtime, index));
  const modules = indices.map((index, i) => [index, stages[i]!] as const);
  const pipe = new Pipeline({ schedule, modules, processGroup, numReplicas, shardUpdates: true });
  const state = stateOf(runtime, rank, pipe, stages);
  if (from !== undefined) await loadPart(from, state, false);
  for (let step = 0; step < numSteps; step++)
    trainStep(runtime, pipe, state, NUM_MICRO_BATCHES / numReplicas);
  const files: ManifestFile[] = [];
  if (saveIn !== undefined) {
    checkFiniteWeights(processGroup, numSteps, state, 0);
    files.push(await new CheckpointStore(saveIn).writePart(numSteps, rank, takePart(state)));
  }
  const all = [...state.parameters, ...state.buffers];
  const held = Object.fromEntries(all.map(([name, tensor]) => [name, tensor.toArray()]));
  return { held, weights: weightsOf(state).map(({ name }) => name), files };
}

function trainStep(runtime: Runtime, pipe: Pipeline, { optimizer }: RankState, numChunks: number): void {
  runtime.scope(() => {
    const x = normalizedBatch(runtime, NUM_MICRO_BATCHES);
    const { inputs, labels } = pipe.partOf({ inputs: x, labels: [x] }, numChunks);
    pipe.step(inputs, { numChunks, criterion: mseLoss, labels });
  });
  optimizer.step();
  optimizer.zeroGrad();
  pipe.shareUpdates();
}
