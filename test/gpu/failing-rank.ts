// Rank 1 fails between two steps that are graphs, while rank 0 waits for its own.
import { mseLoss } from "../../src/autograd/operators/loss.ts";
import { DualPipe } from "../../src/engine/dualpipe.ts";
import type { RankContext } from "../../src/launch/rank-context.ts";
import { MLP } from "../../src/nn/layers/mlp.ts";

const HIDDEN = 16;
const NUM_MICRO_BATCHES = 4;
const FAILING_STEP = 5;

export default function run({ rank, runtime, processGroup }: RankContext): void {
  const stages = [0, 1].map(() => new MLP(runtime, HIDDEN, HIDDEN)) as [MLP, MLP];
  const pipe = new DualPipe(stages, { processGroup, useGraphs: true });
  runtime.scope(() => {
    const batch = runtime.randn([NUM_MICRO_BATCHES / 2, 2, HIDDEN]);
    const options = { numChunks: NUM_MICRO_BATCHES, criterion: mseLoss, labels: [batch] };
    for (let step = 0; ; step++) {
      if (rank === 1 && step === FAILING_STEP) throw new Error("the rank is tired");
      pipe.step(batch, options).loss!.toArray();
      for (const parameter of pipe.parameters()) parameter.grad = null;
    }
  });
}
