// A rank's program: steps of DualPipe, gradients summed over the mirrored parameters.
import { allGatherNumbers, DualPipe, mseLoss, type RankContext } from "../src/index.ts";
import { inputsOfHalf, makeStage, targetsOfHalf } from "./mlp-stages.ts";
import { measureSteps, type RankMeasurement } from "./step-spans.ts";
import { rehearseAndRun, type Workload } from "./workload.ts";

export default function measure(context: RankContext<Workload>): RankMeasurement {
  return rehearseAndRun(context.data, (workload) => context.runtime.scope(() => runSteps(context, workload)));
}

function runSteps(
  { rank, numRanks, runtime, processGroup }: RankContext<Workload>,
  { configuration, counts }: Workload,
): RankMeasurement {
  const first = makeStage(runtime, configuration, rank);
  const second = makeStage(runtime, configuration, numRanks - 1 - rank);
  const pipe = new DualPipe([first, second], { processGroup });
  const end = rank === 0 ? 0 : rank === numRanks - 1 ? 1 : undefined;
  const inputs = end === undefined ? null : inputsOfHalf(runtime, configuration, end);
  const labels = end === undefined ? [] : [targetsOfHalf(runtime, configuration, end === 0 ? 1 : 0)];
  const options = { numChunks: configuration.numMicroBatches, criterion: mseLoss, labels };
  let losses: number[] = [];
  const spans = measureSteps(
    counts,
    () => {
      for (const module of [first, second]) module.zeroGrad();
      allGatherNumbers(processGroup, [rank]);
    },
    () => {
      const { loss } = pipe.step(inputs, options);
      losses = loss?.toArray() ?? [];
      loss?.dispose();
    },
  );
  first.dispose();
  second.dispose();
  return { spans, losses };
}
