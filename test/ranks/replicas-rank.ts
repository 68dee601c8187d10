import { crossEntropy } from "../../src/autograd/operators/loss.ts";
import { Pipeline, stagesOfRank } from "../../src/engine/pipeline.ts";
import type { StageModule } from "../../src/engine/stage.ts";
import type { RankContext } from "../../src/launch/rank-context.ts";
import { AdamW } from "../../src/optim/adamw.ts";
import { operator } from "../../src/tensor/native-operator.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { smallGpt, tokenBatch } from "./gpt-model.ts";

const NARROW = operator("aten::narrow");

export interface ReplicasCase {
  readonly schedule: string;
  readonly numReplicas: number;
  readonly shardUpdates: boolean;
  readonly numStages: number;
  readonly tieEmbeddings: boolean;
  /** Of all replicas together. */
  readonly numMicroBatches: number;
  readonly numSteps: number;
  /** Which place each rank takes, if not its own number. */
  readonly rankMapping?: readonly number[];
}

export interface ReplicasReport {
  /** Of the first step, by micro-batch of the whole batch; those that left here. */
  readonly losses: readonly (readonly [microBatch: number, loss: number])[];
  /** After the first step, by name; null where this rank has none. */
  readonly gradients: Readonly<Record<string, readonly number[] | null>>;
  /** After all steps, by name. */
  readonly parameters: Readonly<Record<string, readonly number[]>>;
  readonly owned: readonly string[];
  /** Of the optimizer's state on this rank. */
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
  const place = each.rankMapping?.[rank] ?? rank;
  const numPlaces = numRanks / numReplicas;
  const replica = Math.floor(place / numPlaces);
  const indices = stagesOfRank(schedule, numPlaces, place % numPlaces);
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
  const { entering, leaving } = pipe.endsOf(numChunks);
  const first = replica * numChunks;

  const step = (): number[] =>
    runtime.scope(() => {
      const { tokens, targets, microBatchSize } = tokenBatch(runtime, numMicroBatches);
      const take = (tensor: Tensor, microBatches: readonly number[]): Tensor =>
        runtime.call(
          NARROW,
          tensor,
          0,
          (first + microBatches[0]!) * microBatchSize,
          microBatches.length * microBatchSize,
        );
      const { loss } = pipe.step(entering.length > 0 ? take(tokens, entering) : null, {
        numChunks,
        criterion: crossEntropy,
        labels: leaving.length > 0 ? [take(targets, leaving)] : [],
      });
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
