// A rank's program: the matrix products of a rank's share of a step, and nothing else.
import { allGatherNumbers, operator, type RankContext, type Runtime } from "../src/index.ts";
import { measureSteps, type RankMeasurement } from "./step-spans.ts";
import type { Workload } from "./workload.ts";

const MM = operator("aten::mm");
const ADDMM_INPLACE = operator("aten::addmm_");
const T = operator("aten::t");

export default function measure({
  rank,
  numRanks,
  runtime,
  processGroup,
  data: { configuration, counts },
}: RankContext<Workload>): RankMeasurement {
  const { hidden, sequence, microBatchSize, numBlocks, numMicroBatches } = configuration;
  const blocks = Array.from({ length: numBlocks }, () =>
    makeOperands(runtime, hidden, sequence * microBatchSize),
  );
  // The inputs of the whole model need no gradient: half of the micro-batches enter at this rank, or none.
  const numAtFirstStage = rank === 0 || rank === numRanks - 1 ? numMicroBatches / 2 : 0;
  const spans = measureSteps(
    counts,
    () => void allGatherNumbers(processGroup, [rank]),
    () => {
      // Each of the P ranks runs half of the micro-batches at two of the P stages.
      for (let i = 0; i < numMicroBatches; i++)
        blocks.forEach((layers, block) => {
          runtime.scope(() => multiply(runtime, layers, i < numAtFirstStage && block === 0));
        });
    },
  );
  return { spans, losses: [] };
}

type Layer = ReturnType<typeof makeOperands>[number];

/** The tensors of one block: two layers, from h to 4h features and back. */
function makeOperands(runtime: Runtime, hidden: number, numRows: number) {
  const weights = [runtime.randn([4 * hidden, hidden]), runtime.randn([hidden, 4 * hidden])];
  const inputs = [runtime.randn([numRows, hidden]), runtime.randn([numRows, 4 * hidden])];
  const outputGrads = [runtime.randn([numRows, 4 * hidden]), runtime.randn([numRows, hidden])];
  return weights.map((weight, i) => ({
    weight,
    weightT: runtime.call(T, weight),
    weightGrad: runtime.zeros(weight.shape),
    input: inputs[i]!,
    outputGrad: outputGrads[i]!,
    outputGradT: runtime.call(T, outputGrads[i]!),
  }));
}

/** The products of two linear layers in a step: outputs, gradients of the inputs, gradients of the weights. */
function multiply(runtime: Runtime, layers: readonly Layer[], isFirst: boolean): void {
  for (const { input, weightT } of layers) runtime.call(MM, input, weightT);
  layers.forEach(({ outputGrad, outputGradT, weight, weightGrad, input }, i) => {
    if (!(isFirst && i === 0)) runtime.call(MM, outputGrad, weight);
    runtime.callInPlace(ADDMM_INPLACE, weightGrad, outputGradT, input);
  });
}
