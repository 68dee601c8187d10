import { noGrad } from "../../src/autograd/grad-mode.ts";
import { mseLoss } from "../../src/autograd/operators/loss.ts";
import { DualPipe } from "../../src/engine/dualpipe.ts";
import type { RankContext } from "../../src/launch/rank-context.ts";
import { withSeed } from "../../src/nn/initial.ts";
import { Linear } from "../../src/nn/layers/linear.ts";
import { AdamW } from "../../src/optim/adamw.ts";

export interface ForgetfulCase {
  /** Whether `shareUpdates` is called after the optimizer, and whether the updates are sharded at all. */
  readonly shares: boolean;
  readonly shardUpdates: boolean;
  /** What comes after the optimizer's step. */
  readonly next: "train" | "evaluate" | "load";
}

/** Trains for a step, updates its parameters, and runs another step. */
export default function run({ rank, runtime, processGroup, data }: RankContext<ForgetfulCase>): number {
  const stage = (index: number) => withSeed(runtime, index, () => new Linear(runtime, 2, 2));
  const stages = [stage(rank), stage(1 - rank)] as const;
  const pipe = new DualPipe(stages, { processGroup, shardUpdates: data.shardUpdates });
  const owned = pipe
    .ownedParameters()
    .map(({ stage, name, parameter }) => [`${stage}.${name}`, parameter] as const);
  const all = pipe.parameters().map((parameter, i) => [`${i}`, parameter] as const);
  const optimizer = new AdamW(data.shardUpdates ? owned : all);
  return runtime.scope(() => {
    const x = runtime.ones([8, 2]);
    const { inputs, labels } = pipe.partOf({ inputs: x, labels: [x] }, 4);
    const step = () => pipe.step(inputs, { numChunks: 4, criterion: mseLoss, labels });
    // Two steps in a row: gradients are accumulated, and nothing is updated in between.
    step();
    step();
    if (data.next === "load") for (const each of stages) each.loadStateDict(each.stateDict());
    else optimizer.step();
    if (data.shares) pipe.shareUpdates();
    return (data.next === "evaluate" ? noGrad(runtime, step) : step()).loss!.numElements;
  });
}
