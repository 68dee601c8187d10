import { crossEntropy } from "../../src/autograd/operators/loss.ts";
import { Pipeline } from "../../src/engine/pipeline.ts";
import { stagesOfRank } from "../../src/engine/pipeline-options.ts";
import type { StageModule } from "../../src/engine/stage/stage.ts";
import type { RankContext } from "../../src/launch/rank-context.ts";
import { AdamW } from "../../src/optim/adamw.ts";
import { partOf } from "./batch-part.ts";
import { smallGpt, tokenBatch } from "./gpt-model.ts";

export interface ReplicasCase {
  readonly schedule: string;
  readonly numReplicas: number;
  readonly shardUpdates: boolean;
  readonly numStages: number;
  readonly tieEmbeddings: boolean;
  /** The micro-batches of all replicas. */
  readonly numMicroBatches: number;
  readonly numSteps: number;
  /** The position of each rank in the pipelines, if not its own number. */
  readonly rankMapping?: readonly number[];
}

export interface ReplicasReport {
  /** The losses of the first step that left here, with the micro-batch of the whole batch. */
  readonly losses: readonly (readonly [microBatch: number, loss: number])[];
  /** After the first step, by name; null where this rank has none. */
  readonly gradients: Readonly<Record<string, readonly number[] | null>>;
  /** After all steps, by name. */
  readonly parameters: Readonly<Record<string, readonly number[]>>;
  readonly owned: readonly string[];
  /** The size of the optimizer's state on this rank. */
  readonly numStateElements: number;
}

/** Trains a small GPT for some steps in each case. */
export default function runCases(context: RankContext<readonly ReplicasCase[]>): ReplicasReport[] {
  return context.data.map((each) => runCase(context, each));
}

function runCase(
  { rank, numRanks, runtime, processGroup }: RankContext<unknown>,
  each: ReplicasCase,
): ReplicasReport {
  const { schedule, numReplicas, shardUpdates, numStages, tieEmbeddings, numMicroBatches, numSteps } = each;
  const position = each.rankMapping?.[rank] ?? rank;
  const ranksPerReplica = numRanks / numReplicas;
  const replica = Math.floor(position / ranksPerReplica);
  const indices = stagesOfRank(schedule, ranksPerReplica, position % ranksPerReplica);
  const built = smallGpt(runtime, tieEmbeddings, numStages, indices);
  const modules = new Map<number, StageModule>(indices.map((stage, i) => [stage, built[i]!]));
  const mapping = each.rankMapping ? { rankMapping: each.rankMapping } : {};
  const pipe = new Pipeline({ schedule, modules, processGroup, numReplicas, shardUpdates, ...mapping });
  const named = built.flatMap((stage) => stage.namedParameters());
  const owned = pipe.ownedParameters();
  const optimizer = new AdamW(
    shardUpdates ? owned.map(({ name, parameter }) => [name, parameter] as const) : named,
    { learningRate: 0.01 },
  );
  const numChunks = numMicroBatches / numReplicas;
  const { leaving } = pipe.endsOf(numChunks);
  const first = replica * numChunks;

  const step = (): number[] =>
    runtime.scope(() => {
      const { inputs, labels } = partOf(tokenBatch(runtime, numMicroBatches), pipe, numChunks, first);
      const { loss } = pipe.step(inputs, { numChunks, criterion: crossEntropy, labels });
      return loss?.toArray() ?? [];
    });

  const losses = step();
  const gradients = Object.fromEntries(
    named.map(([name, parameter]) => [name, parameter.grad?.toArray() ?? null]),
  );
  for (let done = 1; ; done++) {
    optimizer.step();
    optimizer.zeroGrad();
    pipe.shareUpdates();
    if (done === numSteps) break;
    step();
  }
  const state = Object.entries(optimizer.stateDict()).filter(([name]) => !name.endsWith(".step"));
  return {
    losses: leaving.map((microBatch, i) => [first + microBatch, losses[i]!]),
    gradients,
    parameters: Object.fromEntries(named.map(([name, parameter]) => [name, parameter.toArray()])),
    owned: owned.map(({ name }) => name),
    numStateElements: state.reduce((sum, [, tensor]) => sum + tensor.numElements, 0),
  };
}
