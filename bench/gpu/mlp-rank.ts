// A rank's program: steps of DualPipe on cards, gradients summed over the mirrored parameters.
import {
  add,
  allGatherNumbers,
  DualPipe,
  gelu,
  Linear,
  Module,
  mseLoss,
  type RankContext,
  type Runtime,
  Sequential,
  type Tensor,
} from "../../src/index.ts";
import { measureSteps, type Span } from "../step-spans.ts";
import { BLOCKS_PER_STAGE, type GpuWorkload } from "./workload.ts";

export interface MeasuredWorkload extends GpuWorkload {
  readonly useGraphs: boolean;
}

export interface GpuMeasurement {
  readonly spans: readonly Span[];
  readonly peakBytes: number;
  /** Waits of the host for the card in the last step, without that at its end. */
  readonly numSynchronizations: number;
  /** How long the last step took the host, which only launches kernels. */
  readonly launchMs: number;
}

/** `x + W2 gelu(W1 x)`. */
class ResidualMlp extends Module {
  readonly up: Linear;
  readonly down: Linear;

  constructor(runtime: Runtime, { hidden, dtype }: GpuWorkload) {
    super(runtime);
    this.up = new Linear(runtime, hidden, 4 * hidden, { bias: false, dtype });
    this.down = new Linear(runtime, 4 * hidden, hidden, { bias: false, dtype });
  }

  forward(x: Tensor): Tensor {
    return add(x, this.down.call(gelu(this.up.call(x))));
  }
}

export default function measure(context: RankContext<MeasuredWorkload>): GpuMeasurement {
  context.runtime.device.resetPeakBytes();
  return context.runtime.scope(() => runSteps(context));
}

function runSteps({
  rank,
  numRanks,
  runtime,
  processGroup,
  data,
}: RankContext<MeasuredWorkload>): GpuMeasurement {
  const { device } = runtime;
  const { hidden, sequence, dtype, numMicroBatches } = data;
  const makeStage = (): Module => {
    const blocks = Array.from({ length: BLOCKS_PER_STAGE }, () => new ResidualMlp(runtime, data));
    return new Sequential(runtime, ...blocks);
  };
  const stages = [makeStage(), makeStage()] as const;
  const pipe = new DualPipe(stages, { processGroup, useGraphs: data.useGraphs });
  const isEnd = rank === 0 || rank === numRanks - 1;
  const batch = (): Tensor => runtime.randn([numMicroBatches / 2, sequence, hidden], dtype);
  const inputs = isEnd ? batch() : null;
  const options = { numChunks: numMicroBatches, criterion: mseLoss, labels: isEnd ? [batch()] : [] };
  const parameters = pipe.parameters();
  let [numSynchronizations, launchMs] = [0, 0];
  const spans = measureSteps(
    { ...data, numRehearsalSteps: 0 },
    () => {
      device.synchronize();
      allGatherNumbers(processGroup, [rank]);
    },
    () => {
      const [before, startMs] = [device.numSynchronizations, performance.now()];
      pipe.step(inputs, options).loss?.dispose();
      for (const parameter of parameters) parameter.grad = null;
      launchMs = performance.now() - startMs;
      numSynchronizations = device.numSynchronizations - before;
      device.synchronize();
    },
  );
  const { peakBytes } = device.memory();
  pipe.dispose();
  for (const stage of stages) stage.dispose();
  return { spans, peakBytes, numSynchronizations, launchMs };
}
