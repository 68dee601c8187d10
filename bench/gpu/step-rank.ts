// A rank's program: steps of a pipeline on cards, gradients summed over the parameters that several ranks hold.
import {
  add,
  allGatherNumbers,
  type Criterion,
  cast,
  crossEntropy,
  gelu,
  gptStages,
  Linear,
  Module,
  mseLoss,
  numStagesOf,
  Pipeline,
  type RankContext,
  type RecordedTrack,
  Recorder,
  type Runtime,
  Sequential,
  stagesOfRank,
  type Tensor,
} from "../../src/index.ts";
import { measureSteps, type Span } from "../step-spans.ts";
import { GPT_HEAD_SIZE, GPT_VOCAB_SIZE, type GpuWorkload } from "./workload.ts";

export interface MeasuredWorkload extends GpuWorkload {
  readonly schedule: string;
  readonly useGraphs: boolean;
  /** Whether each gradient is summed by one of the two ranks that hold its parameter, or by both. */
  readonly shardUpdates: boolean;
  /** Whether steps are recorded; not with graphs. */
  readonly isRecorded?: boolean;
}

export interface GpuMeasurement {
  readonly spans: readonly Span[];
  readonly peakBytes: number;
  /** Waits of the host for the card in the last step, without that at its end. */
  readonly numSynchronizations: number;
  /** How long the last step took the host, which only launches kernels. */
  readonly launchMs: number;
  /** Losses of the last step's micro-batches that left here. */
  readonly losses: readonly number[];
  /** What this rank computed in each measured step, if they are recorded. */
  readonly tracks: readonly RecordedTrack[];
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

/** A model, cut into stages, and the batches that enter and leave at an end. */
interface Parts {
  readonly stages: readonly Module[];
  readonly criterion: Criterion;
  inputs(numMicroBatches: number): Tensor;
  labels(numMicroBatches: number): Tensor;
}

/** The stages that a rank holds, among those of the whole model. */
interface Cut {
  readonly numStages: number;
  readonly stageIndices: readonly number[];
  readonly numRanks: number;
}

function mlpParts(
  runtime: Runtime,
  workload: GpuWorkload,
  { numStages, stageIndices, numRanks }: Cut,
): Parts {
  const { hidden, sequence, dtype, microBatchSize, numLayersPerCard } = workload;
  const numBlocks = (numLayersPerCard * numRanks) / numStages;
  const stages = stageIndices.map((stage) => {
    runtime.seed(stage);
    return new Sequential(
      runtime,
      ...Array.from({ length: numBlocks }, () => new ResidualMlp(runtime, workload)),
    );
  });
  const batch = (numMicroBatches: number): Tensor =>
    runtime.randn([numMicroBatches * microBatchSize, sequence, hidden], dtype);
  return { stages, criterion: mseLoss, inputs: batch, labels: batch };
}

function gptParts(
  runtime: Runtime,
  workload: GpuWorkload,
  { numStages, stageIndices, numRanks }: Cut,
): Parts {
  const { hidden, sequence, dtype, microBatchSize, numLayersPerCard } = workload;
  const config = {
    vocabSize: GPT_VOCAB_SIZE,
    contextLength: sequence,
    numLayers: numLayersPerCard * numRanks,
    numHeads: hidden / GPT_HEAD_SIZE,
    hiddenSize: hidden,
    dtype,
  };
  const stages = gptStages({ config, numStages, stageIndices, runtime, seed: 1 });
  const tokens = (numMicroBatches: number): Tensor =>
    runtime.randint(0, GPT_VOCAB_SIZE, [numMicroBatches * microBatchSize, sequence]);
  const criterion = (logits: Tensor, targets: Tensor): Tensor =>
    crossEntropy(cast(logits, "float32"), targets);
  return { stages, criterion: criterion as Criterion, inputs: tokens, labels: tokens };
}

export default function measure(context: RankContext<MeasuredWorkload>): GpuMeasurement {
  const { runtime } = context;
  runtime.device.resetPeakBytes();
  const measurement = runtime.scope(() => runSteps(context));
  // The next workload may run in other processes, on the same cards.
  runtime.device.releaseCache();
  return measurement;
}

function runSteps({
  rank,
  numRanks,
  runtime,
  processGroup,
  data,
}: RankContext<MeasuredWorkload>): GpuMeasurement {
  const { device } = runtime;
  const { schedule, numMicroBatches } = data;
  const stageIndices = stagesOfRank(schedule, numRanks, rank);
  const cut = { numStages: numStagesOf(schedule, numRanks), stageIndices, numRanks };
  const { stages, criterion, ...batches } = (data.model === "mlp" ? mlpParts : gptParts)(runtime, data, cut);
  const recorder = data.isRecorded ? new Recorder(device) : undefined;
  const pipe = new Pipeline({
    schedule,
    modules: stages.map((module, i) => [stageIndices[i]!, module] as const),
    processGroup,
    useGraphs: data.useGraphs,
    shardUpdates: data.shardUpdates,
    recorder,
  });
  const { entering, leaving } = pipe.endsOf(numMicroBatches);
  // Each end draws its own numbers, and the same ones on any number of cards.
  runtime.seed(1000 + rank);
  const inputs = entering.length > 0 ? batches.inputs(entering.length) : null;
  const labels = leaving.length > 0 ? [batches.labels(leaving.length)] : [];
  const options = { numChunks: numMicroBatches, criterion, labels };
  const parameters = pipe.parameters();
  let [numSynchronizations, launchMs] = [0, 0];
  let loss: Tensor | null | undefined;
  const tracks: RecordedTrack[] = [];
  const take = () => {
    if (recorder !== undefined) tracks.push(recorder.take(rank));
  };
  const spans = measureSteps(
    { ...data, numRehearsalSteps: 0 },
    () => {
      if (loss !== undefined) pipe.shareUpdates();
      loss?.dispose();
      take();
      device.synchronize();
      allGatherNumbers(processGroup, [rank]);
    },
    () => {
      const [before, startMs] = [device.numSynchronizations, performance.now()];
      ({ loss } = pipe.step(inputs, options));
      for (const parameter of parameters) parameter.grad = null;
      launchMs = performance.now() - startMs;
      numSynchronizations = device.numSynchronizations - before;
      device.synchronize();
    },
  );
  take();
  const losses = (loss as Tensor | null | undefined)?.toArray() ?? [];
  const { peakBytes } = device.memory();
  pipe.dispose();
  for (const stage of stages) stage.dispose();
  return { spans, peakBytes, numSynchronizations, launchMs, losses, tracks: tracks.slice(-data.numSteps) };
}
