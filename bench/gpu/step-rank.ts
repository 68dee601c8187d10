// A rank's program: steps of DualPipe on cards, gradients summed over the mirrored parameters.
import {
  add,
  allGatherNumbers,
  type Criterion,
  cast,
  crossEntropy,
  DualPipe,
  gelu,
  gptStages,
  Linear,
  Module,
  mseLoss,
  type RankContext,
  type Runtime,
  Sequential,
  type Tensor,
} from "../../src/index.ts";
import { measureSteps, type Span } from "../step-spans.ts";
import { GPT_HEAD_SIZE, GPT_VOCAB_SIZE, type GpuWorkload } from "./workload.ts";

export interface MeasuredWorkload extends GpuWorkload {
  readonly useGraphs: boolean;
  /** Whether each gradient is summed by one of the two ranks that hold its parameter, or by both. */
  readonly shardUpdates: boolean;
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

/** What a step is made of, for one rank: its two stages, and the batches that enter and leave at an end. */
interface Parts {
  readonly stages: readonly [Module, Module];
  readonly criterion: Criterion;
  inputs(): Tensor;
  labels(): Tensor;
}

function mlpParts(runtime: Runtime, workload: GpuWorkload): Parts {
  const { hidden, sequence, dtype, microBatchSize, numMicroBatches, numLayersPerCard } = workload;
  const makeStage = (): Module => {
    const blocks = Array.from({ length: numLayersPerCard }, () => new ResidualMlp(runtime, workload));
    return new Sequential(runtime, ...blocks);
  };
  const batch = (): Tensor =>
    runtime.randn([(numMicroBatches / 2) * microBatchSize, sequence, hidden], dtype);
  return { stages: [makeStage(), makeStage()], criterion: mseLoss, inputs: batch, labels: batch };
}

function gptParts(runtime: Runtime, workload: GpuWorkload, rank: number, numRanks: number): Parts {
  const { hidden, sequence, dtype, microBatchSize, numMicroBatches, numLayersPerCard } = workload;
  const config = {
    vocabSize: GPT_VOCAB_SIZE,
    contextLength: sequence,
    numLayers: numLayersPerCard * numRanks,
    numHeads: hidden / GPT_HEAD_SIZE,
    hiddenSize: hidden,
    dtype,
  };
  const stageIndices = [rank, numRanks - 1 - rank];
  const [first, second] = gptStages({ config, numStages: numRanks, stageIndices, runtime, seed: 1 });
  const tokens = (): Tensor =>
    runtime.randint(0, GPT_VOCAB_SIZE, [(numMicroBatches / 2) * microBatchSize, sequence]);
  const criterion = (logits: Tensor, targets: Tensor): Tensor =>
    crossEntropy(cast(logits, "float32"), targets);
  return { stages: [first!, second!], criterion: criterion as Criterion, inputs: tokens, labels: tokens };
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
  const { stages, criterion, ...batches } =
    data.model === "mlp" ? mlpParts(runtime, data) : gptParts(runtime, data, rank, numRanks);
  const pipe = new DualPipe(stages, {
    processGroup,
    useGraphs: data.useGraphs,
    shardUpdates: data.shardUpdates,
  });
  const isEnd = rank === 0 || rank === numRanks - 1;
  const inputs = isEnd ? batches.inputs() : null;
  const options = { numChunks: data.numMicroBatches, criterion, labels: isEnd ? [batches.labels()] : [] };
  const parameters = pipe.parameters();
  let [numSynchronizations, launchMs] = [0, 0];
  let hasRun = false;
  const spans = measureSteps(
    { ...data, numRehearsalSteps: 0 },
    () => {
      if (hasRun) pipe.shareUpdates();
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
      hasRun = true;
    },
  );
  const { peakBytes } = device.memory();
  pipe.dispose();
  for (const stage of stages) stage.dispose();
  return { spans, peakBytes, numSynchronizations, launchMs };
}
