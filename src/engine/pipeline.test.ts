// Steps of one rank alone, under a V of two stages: what is refused, what it says, and what is left afterwards.
import { afterEach, describe, expect, test } from "vitest";
import { failOnLeaks } from "../../test/leak-guard.ts";
import { mlpStage, stageSeed, wholeBatch } from "../../test/ranks/mlp-model.ts";
import { atCall, MoodyStage, thrower, withTrap } from "../../test/ranks/moody-model.ts";
import { runSequentially } from "../../test/ranks/sequential.ts";
import { noGrad } from "../autograd/grad-mode.ts";
import { mul } from "../autograd/operators/arithmetic.ts";
import { mseLoss } from "../autograd/operators/loss.ts";
import { Runtime } from "../tensor/runtime.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { InProcessGroup } from "../transport/in-process/in-process-group.ts";
import { DualPipeV } from "./dualpipe.ts";
import type { Criterion } from "./stage/stage.ts";
import type { StepOptions } from "./step-data.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);
const sizes = { hidden: 4, sequence: 2, microBatchSize: 1, numMicroBatches: 4, dtype: "float32" } as const;
const { inputs, targets } = wholeBatch(runtime, sizes);
const good: StepOptions = { numChunks: 4, criterion: mseLoss, labels: [targets] };

let numGroups = 0;
function groupOf(size: number, rank = 0): InProcessGroup {
  return new InProcessGroup(runtime, { name: `pipeline-test-${numGroups++}`, rank, size, timeoutMs: 1000 });
}

function errorOf(body: () => unknown): Error & { code?: string; location?: unknown } {
  try {
    body();
  } catch (error) {
    return error as Error;
  }
  throw new Error("nothing was thrown");
}

describe("a step", () => {
  const first = new MoodyStage(runtime, sizes.hidden, sizes.dtype, stageSeed(0));
  const second = new MoodyStage(runtime, sizes.hidden, sizes.dtype, stageSeed(1));
  const pipe = new DualPipeV([first, second], { processGroup: groupOf(1) });
  const sequential = [0, 1].map((stage) => mlpStage(runtime, sizes, stage));
  const expected = runSequentially(
    sequential,
    { inputs: [inputs], labels: [targets], numMicroBatches: 4 },
    mseLoss,
  );

  const resetStages = () => {
    for (const stage of [first, second]) {
      stage.mood = undefined;
      stage.zeroGrad();
    }
  };
  runtime.scope(() => pipe.step(inputs, good)); // Weights are transposed once, in the first step.
  resetStages();
  afterEach(resetStages);

  /** Runs a step that fails; then nothing is left of it, and the next step is as good as ever. */
  function expectRefused(step: () => unknown, code: string, message: string): void {
    const numTensors = runtime.addon.numTensors();
    const { liveBytes } = runtime.device.memory();
    expect(errorOf(() => runtime.scope(step))).toMatchObject({ code, message: `dualpipe: ${message}` });
    resetStages();
    expect(runtime.addon.numTensors()).toBe(numTensors);
    expect(runtime.device.memory().liveBytes).toBe(liveBytes);
    runtime.scope(() => {
      expect(pipe.step(inputs, good).loss!.toArray()).toEqual(expected.losses);
    });
  }

  const stepWith =
    (
      options: { [Key in keyof StepOptions]?: StepOptions[Key] | undefined },
      data: readonly Tensor[] = [inputs],
    ) =>
    (): unknown =>
      pipe.step(data, { ...good, ...options } as StepOptions);
  const stepIn = (stage: MoodyStage, mood: (y: Tensor) => unknown) => (): unknown => {
    stage.mood = mood;
    return pipe.step(inputs, good);
  };

  test.each<[string, () => unknown, string, string]>([
    [
      "without inputs on a rank that feeds",
      () => pipe.step(null, good),
      "INVALID_INPUT",
      "rank 0: the micro-batches 0..3 enter here; pass their inputs to step",
    ],
    [
      "with inputs too few to cut",
      () => stepWith({}, [inputs, runtime.ones([3, 2])])(),
      "INVALID_INPUT",
      "rank 0: inputs: a tensor of the shape [3,2] cannot be cut into 4 micro-batches along dimension 0",
    ],
    [
      "without labels",
      stepWith({ labels: undefined }),
      "INVALID_INPUT",
      "rank 0: the labels of the micro-batches 0..3 are needed here; pass labels, or [] when the criterion takes none",
    ],
    [
      "with labels too few to cut",
      () => stepWith({ labels: [targets, runtime.ones([2])] })(),
      "INVALID_INPUT",
      "rank 0: labels: a tensor of the shape [2] cannot be cut into 4 micro-batches along dimension 0",
    ],
    [
      "without a criterion in training",
      stepWith({ criterion: undefined }),
      "INVALID_INPUT",
      "rank 0: the losses of the micro-batches 0..3 are computed here; pass a criterion",
    ],
    [
      "whose criterion returns no scalar",
      stepWith({ criterion: (y: Tensor) => y }),
      "LOSS_NOT_SCALAR",
      "rank 0, stage 1, micro-batch 0: the criterion must return a tensor with one element; got a tensor of the shape [1,2,4]; take its mean or its sum",
    ],
    [
      "whose criterion returns no tensor",
      stepWith({ criterion: (() => 3) as unknown as Criterion }),
      "LOSS_NOT_SCALAR",
      "rank 0, stage 1, micro-batch 0: the criterion must return a tensor with one element; got a value of the type number; take its mean or its sum",
    ],
    [
      "whose criterion throws",
      stepWith({ criterion: thrower("no loss today") }),
      "STAGE_FAILED",
      "rank 0, 1F0: no loss today",
    ],
    [
      "whose labels have another shape than the outputs",
      () => stepWith({ labels: [runtime.ones([4, 2, 9])] })(),
      "STAGE_FAILED",
      "rank 0, 1F0: mseLoss: input and target must have one shape; got input float32[1, 2, 4], target float32[1, 2, 9]",
    ],
    [
      "in which a stage returns no tensor",
      stepIn(first, () => 3),
      "INVALID_STAGE_OUTPUT",
      "rank 0, stage 0, micro-batch 0: a stage must return a tensor, or a list of tensors and nulls; got a value of the type number",
    ],
    [
      "in which a stage returns nothing",
      stepIn(second, () => undefined),
      "INVALID_STAGE_OUTPUT",
      "rank 0, stage 1, micro-batch 0: a stage must return a tensor, or a list of tensors and nulls; got a value of the type undefined",
    ],
    [
      "in which a stage returns a list with something else in it",
      stepIn(first, (y) => [y, "text"]),
      "INVALID_STAGE_OUTPUT",
      "rank 0, stage 0, micro-batch 0: a stage must return a tensor, or a list of tensors and nulls; got a value of the type string",
    ],
    [
      "in which a stage returns another shape than the next takes",
      stepIn(first, () => runtime.ones([1, 2, 3])),
      "STAGE_FAILED",
      "rank 0, 1F0: linear: x must be [..., in], weight [out, in] and bias [out]; got x float32[1, 2, 3], weight float32[16, 4]",
    ],
    ["in which a stage throws at once", stepIn(first, thrower("boom")), "STAGE_FAILED", "rank 0, 0F0: boom"],
    [
      "in which a stage throws in the middle",
      stepIn(second, atCall(3, thrower("boom"))),
      "STAGE_FAILED",
      "rank 0, (1F2;0B1)OVERLAP_F_B: boom",
    ],
    [
      "in which a stage throws something that is no error",
      stepIn(second, () => {
        throw "only a text";
      }),
      "STAGE_FAILED",
      "rank 0, 1F0: only a text",
    ],
    [
      "in which the backward of the first stage throws",
      stepIn(first, withTrap),
      "STAGE_FAILED",
      "rank 0, (1F1;0B0)OVERLAP_F_B: a trap in the backward",
    ],
    [
      "in which the backward of the last stage throws in the middle",
      stepIn(second, atCall(2, withTrap)),
      "STAGE_FAILED",
      "rank 0, (0F2;1B1)OVERLAP_F_B: a trap in the backward",
    ],
  ])("%s is refused, and leaves nothing behind", (_name, step, code, message) => {
    expectRefused(step, code, message);
  });

  test.each([
    [1, "micro-batches must be at least 2 x ranks; got 1 with 1 rank; use 2"],
    [2.5, "micro-batches must be at least 2 x ranks; got 2.5 with 1 rank; use 3"],
  ])("of %d micro-batches is refused", (numChunks, message) => {
    const error = errorOf(stepWith({ numChunks }));
    expect(error).toMatchObject({ code: "INVALID_SIZES", message: `dualpipe: DualPipeV: ${message}` });
  });

  test("whose losses are not numbers returns them as they are", () => {
    runtime.scope(() => {
      second.mood = atCall(2, (y) => mul(y, runtime.full([1], Number.NaN)));
      const losses = pipe.step(inputs, good).loss!.toArray();
      expect(losses).toEqual([expected.losses[0], Number.NaN, ...expected.losses.slice(2)]);
    });
  });

  test("that only runs forward needs neither a criterion nor labels, and computes no gradients", () => {
    runtime.scope(() => {
      const { loss, outputs } = noGrad(runtime, () =>
        pipe.step(inputs, { numChunks: 4, returnOutputs: true }),
      );
      expect(loss).toBeNull();
      expect((outputs as Tensor).toArray()).toEqual(expected.outputs.flat(2));
      for (const parameter of pipe.parameters()) expect(parameter.grad).toBeNull();
    });
  });
});
