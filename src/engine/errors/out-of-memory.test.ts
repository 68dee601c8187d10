import { expect, test } from "vitest";
import { failOnLeaks } from "../../../test/leak-guard.ts";
import { mseLoss } from "../../autograd/operators/loss.ts";
import { Linear } from "../../nn/layers/linear.ts";
import { Runtime } from "../../tensor/runtime.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { InProcessGroup } from "../../transport/in-process/in-process-group.ts";
import { Pipeline } from "../pipeline.ts";
import type { StepError } from "./step-error.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);

class Greedy extends Linear {
  numCalls = 0;

  override forward(x: Tensor): Tensor {
    if (++this.numCalls === 3) runtime.zeros([2 ** 50]);
    return super.forward(x);
  }
}

test("a step that runs out of memory says where, what was wanted, who has the rest, and what needs less", () => {
  const processGroup = new InProcessGroup(runtime, { name: "out of memory", rank: 0, size: 1 });
  const module = new Greedy(runtime, 1000, 1000, { bias: false });
  const optimizerState = runtime.scope(() => runtime.zeros([1_000_000]).share());
  runtime.scope(() => {
    const pipe = new Pipeline({ schedule: "gpipe", modules: [[0, module]], processGroup });
    const x = runtime.ones([4, 1000]);
    let error: StepError | undefined;
    try {
      pipe.step(x, { numChunks: 4, criterion: mseLoss, labels: [x] });
    } catch (thrown) {
      error = thrown as StepError;
    }
    expect(error).toMatchObject({
      code: "STEP_OUT_OF_MEMORY",
      location: { rank: 0, stage: 0, microBatch: 2 },
    });
    expect(error!.problem).toMatch(
      /^rank 0, stage 0, micro-batch 2, 0F2: aten::zeros\(.*\): out of memory: 4503599627370496 bytes asked for, .*; on cpu are weights 4\.00 MB, gradients 0 bytes, \d.* of activations, of up to 2 micro-batches in flight, \d.* MB from before the step, .*; to need less, recompute activations .*; the schedule 1f1b holds 25 % of the activations that gpipe does$/,
    );
  });
  optimizerState.dispose();
  module.dispose();
});
