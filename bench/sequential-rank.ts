// The program of a single rank: all stages one after the other, one micro-batch at a time.
import {
  backward,
  type Module,
  mseLoss,
  operator,
  type RankContext,
  type Runtime,
  type Tensor,
} from "../src/index.ts";
import { inputsOfHalf, makeStage, targetsOfHalf } from "./mlp-stages.ts";
import { measureSteps, type RankMeasurement } from "./step-spans.ts";
import { rehearseAndRun, type Workload } from "./workload.ts";

const NARROW = operator("aten::narrow");

export default function measure({ runtime, data }: RankContext<Workload>): RankMeasurement {
  return rehearseAndRun(data, (workload) => runtime.scope(() => runSteps(runtime, workload)));
}

function runSteps(runtime: Runtime, { configuration, counts }: Workload): RankMeasurement {
  const { numRanks, numMicroBatches, microBatchSize } = configuration;
  const stages = Array.from({ length: numRanks }, (_, i) => makeStage(runtime, configuration, i));
  const halves = ([0, 1] as const).map((half) => ({
    inputs: inputsOfHalf(runtime, configuration, half),
    targets: targetsOfHalf(runtime, configuration, half),
  }));
  const cut = (whole: Tensor, i: number): Tensor =>
    runtime.call(NARROW, whole, 0, i * microBatchSize, microBatchSize);
  let losses: number[] = [];
  const spans = measureSteps(
    counts,
    () => {
      for (const stage of stages) stage.zeroGrad();
    },
    () => {
      losses = halves.flatMap(({ inputs, targets }) =>
        Array.from({ length: numMicroBatches / 2 }, (_, i) =>
          runtime.scope(() => stepOf(stages, cut(inputs, i), cut(targets, i))),
        ),
      );
    },
  );
  for (const stage of stages) stage.dispose();
  return { spans, losses };
}

function stepOf(stages: readonly Module[], inputs: Tensor, targets: Tensor): number {
  const outputs = stages.reduce((x, stage) => stage.call(x), inputs);
  const loss = mseLoss(outputs, targets);
  backward(loss);
  return loss.item();
}
