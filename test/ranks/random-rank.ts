import { DualPipe } from "../../src/engine/dualpipe.ts";
import type { RankContext } from "../../src/launch/rank-context.ts";
import { Linear } from "../../src/nn/layers/linear.ts";
import { Module } from "../../src/nn/module.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

class Stage extends Module {
  readonly layer = new Linear(this.runtime, 2, 2);
  forward(x: Tensor): Tensor {
    return this.layer.call(x);
  }
}

/** Random numbers of this rank, and the initial weights of its two stages by their index. */
export default function draw({ runtime, rank, processGroup }: RankContext) {
  const numbers = runtime.scope(() => runtime.rand([8]).toArray());
  const stages = [new Stage(runtime), new Stage(runtime)] as const;
  new DualPipe(stages, { processGroup });
  const weights = stages.map(({ layer }) => layer.weight.toArray());
  return { numbers, weights: rank === 0 ? weights : weights.reverse() };
}
