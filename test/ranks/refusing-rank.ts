// The first rank, whose backward is slow, is still in a good step when the other one refuses the next.
import { mseLoss } from "../../src/autograd/operators/loss.ts";
import { record } from "../../src/autograd/record.ts";
import { Pipeline } from "../../src/engine/pipeline.ts";
import type { RankContext } from "../../src/launch/rank-context.ts";
import { Linear } from "../../src/nn/layers/linear.ts";
import { Module } from "../../src/nn/module.ts";
import * as kernels from "../../src/tensor/kernels/index.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

class Slow extends Module {
  readonly linear = new Linear(this.runtime, 2, 2);

  forward(x: Tensor): Tensor {
    const y = this.linear.call(x);
    return record("slow", { y }, kernels.clone(y), {}, (dy) => {
      for (const start = Date.now(); Date.now() - start < 100; );
      return { y: dy };
    });
  }
}

/** What became of a good step, a refused one, and another good one. */
export default function run({ runtime, rank, processGroup }: RankContext): string[] {
  const first = rank === 0 ? new Slow(runtime) : new Linear(runtime, 2, 2);
  const modules = new Map([
    [rank, first],
    [rank + 2, new Linear(runtime, 2, 2)],
  ]);
  const pipe = new Pipeline({ schedule: "interleaved", stagesPerRank: 2, modules, processGroup });
  const outcome = (numChunks: number): string => {
    try {
      runtime.scope(() => {
        const x = runtime.ones([8, 2]);
        pipe.step(x, { numChunks, criterion: mseLoss, labels: [x] });
      });
      return "good";
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  const outcomes = [4, rank === 1 ? 0 : 4, 4].map(outcome);
  for (const module of modules.values()) module.dispose();
  return outcomes;
}
