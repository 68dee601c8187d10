import { noGrad } from "../../src/autograd/grad-mode.ts";
import { mseLoss } from "../../src/autograd/operators/loss.ts";
import { Pipeline } from "../../src/engine/pipeline.ts";
import { stagesOfRank } from "../../src/engine/pipeline-options.ts";
import type { RankContext } from "../../src/launch/rank-context.ts";
import { ModuleBuffer } from "../../src/nn/module-buffer.ts";
import { NormalizedStage, normalizedBatch } from "./normalized-model.ts";

export interface BuffersCase {
  readonly schedule: string;
  readonly numReplicas: number;
  /** The micro-batches of one replica. */
  readonly numMicroBatches: number;
  /** Training steps, and forward-only ones in either mode; by default one training step. */
  readonly steps?: readonly ("training" | "forward only in train mode" | "forward only in eval mode")[];
  /** A rank whose stages have a buffer that those of the others lack. */
  readonly withExtraBuffer?: number;
}

/** The buffers of each stage after the steps, by stage and then by name. */
export type BuffersReport = Readonly<Record<number, Readonly<Record<string, readonly number[]>>>>;

export default function run({
  rank,
  numRanks,
  runtime,
  processGroup,
  data,
}: RankContext<BuffersCase>): BuffersReport {
  const { schedule, numReplicas, numMicroBatches, steps = ["training"] } = data;
  const ranksPerReplica = numRanks / numReplicas;
  const stages = stagesOfRank(schedule, ranksPerReplica, rank % ranksPerReplica);
  return runtime.scope(() => {
    const modules = new Map(stages.map((stage) => [stage, new NormalizedStage(runtime, stage)]));
    if (rank === data.withExtraBuffer)
      for (const module of modules.values())
        Object.assign(module, { extra: new ModuleBuffer(runtime.zeros([2])) });
    const pipe = new Pipeline({ schedule, modules, processGroup, numReplicas });
    const x = normalizedBatch(runtime, numReplicas * numMicroBatches);
    const { inputs, labels } = pipe.partOf({ inputs: x, labels: [x] }, numMicroBatches);
    const step = () => pipe.step(inputs, { numChunks: numMicroBatches, criterion: mseLoss, labels });
    for (const kind of steps) {
      for (const module of modules.values()) {
        if (kind === "forward only in eval mode") module.eval();
        else module.train();
      }
      if (kind === "training") step();
      else noGrad(runtime, step);
    }
    const buffersOf = (module: NormalizedStage) =>
      Object.fromEntries(module.namedBuffers().map(([name, buffer]) => [name, buffer.toArray()]));
    return Object.fromEntries([...modules].map(([stage, module]) => [stage, buffersOf(module)]));
  });
}
