// The inputs of a step enter at the first rank, and its labels belong to the last one.
import { mul, sub } from "../../src/autograd/operators/arithmetic.ts";
import { mean } from "../../src/autograd/operators/reduction.ts";
import { Pipeline } from "../../src/engine/pipeline.ts";
import type { RankContext } from "../../src/launch/rank-context.ts";
import { Linear } from "../../src/nn/layers/linear.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

/** A criterion that broadcasts. */
function squares(y: Tensor, t: Tensor): Tensor {
  const difference = sub(y, t);
  return mean(mul(difference, difference));
}

/** What became of a step with each number of rows of labels; the inputs have eight. */
export default function run({ runtime, rank, processGroup, data }: RankContext<readonly number[]>): string[] {
  const module = new Linear(runtime, 2, 2);
  const pipe = new Pipeline({ schedule: "1f1b", modules: new Map([[rank, module]]), processGroup });
  const outcomes = data.map((numLabelRows) => {
    try {
      runtime.scope(() => {
        const labels = [runtime.ones([numLabelRows, 2])];
        pipe.step(runtime.ones([8, 2]), { numChunks: 4, criterion: squares, labels });
      });
      return "good";
    } catch (error) {
      return (error as Error).message;
    }
  });
  module.dispose();
  return outcomes;
}
