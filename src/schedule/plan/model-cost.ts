import type { CostModel, LinkCost } from "../simulate/cost.ts";
import { embeddingParameters, layerParameters, type ModelShape } from "./model/model-shape.ts";

/** One device and its links to the others, in seconds and bytes. */
export interface DeviceShape {
  readonly peakFlops: number;
  /** The share of the peak that matrix products of this model reach with many rows. */
  readonly efficiency: number;
  /**
   * The rows of a product, which are the tokens of a micro-batch, with which it reaches half of that; 0 unless given.
   * With n rows it reaches n / (n + halfRows).
   */
  readonly halfRows?: number | undefined;
  readonly memoryBytes: number;
  readonly link: LinkCost;
  /** Bytes per second of an all-reduce between data-parallel replicas. */
  readonly allReduceBandwidth: number;
  /** The time of an overlapped pair as a share of its F + B; 1, nothing is hidden, unless given. */
  readonly pairShare?: number | undefined;
}

/** The cost of one stage for one micro-batch, and what it keeps in memory. */
export interface StageShape {
  readonly flops: { readonly F: number; readonly I: number; readonly W: number };
  readonly parameters: number;
  /** What it keeps of a micro-batch from its forward to its backward. */
  readonly activationBytes: number;
  /** What it needs in addition while one layer is recomputed. */
  readonly workspaceBytes: number;
}

export interface MicroBatchShape {
  /** Sequences of a micro-batch. */
  readonly size: number;
  readonly sequenceLength: number;
  readonly recompute: boolean;
}

/** Half precision. */
const VALUE_BYTES = 2;
/** The loss keeps its gradient with respect to the logits in single precision. */
const LOGIT_BYTES = 4;

/** Operations of one layer's forward on one micro-batch: of its products with weights, and of causal attention. */
function layerFlops(model: ModelShape, { size, sequenceLength }: MicroBatchShape) {
  const numTokens = size * sequenceLength;
  return {
    weights: 2 * layerParameters(model) * numTokens,
    attention: 2 * numTokens * sequenceLength * model.numHeads * model.headSize,
  };
}

function headFlops(model: ModelShape, { size, sequenceLength }: MicroBatchShape): number {
  return 2 * embeddingParameters(model) * size * sequenceLength;
}

/** The work of the head in units of the work of a layer. */
export function headInLayers(model: ModelShape, microBatch: MicroBatchShape): number {
  const layer = layerFlops(model, microBatch);
  return headFlops(model, microBatch) / (layer.weights + layer.attention);
}

/** Operations of the whole model's forward and backward on one micro-batch, as MFU counts them: no recomputation. */
export function modelFlops(model: ModelShape, microBatch: MicroBatchShape): number {
  const layer = layerFlops(model, microBatch);
  return 3 * (model.numLayers * (layer.weights + layer.attention) + headFlops(model, microBatch));
}

/** Bytes that a layer keeps of a micro-batch with fused attention: the inputs of products, norms and activations. */
function layerActivationBytes(model: ModelShape, { size, sequenceLength }: MicroBatchShape): number {
  const { hiddenSize, headSize, numHeads, numKeyValueHeads, mlpSize, numMlpMatrices } = model;
  const values = 4 * hiddenSize + headSize * 2 * (numHeads + numKeyValueHeads) + mlpSize * numMlpMatrices;
  return values * VALUE_BYTES * size * sequenceLength;
}

/** The stages of a model, with `layerCounts` layers each. */
export function stageShapes(
  model: ModelShape,
  layerCounts: readonly number[],
  microBatch: MicroBatchShape,
): StageShape[] {
  const layer = layerFlops(model, microBatch);
  const head = headFlops(model, microBatch);
  const kept = layerActivationBytes(model, microBatch);
  const numTokens = microBatch.size * microBatch.sequenceLength;
  const input = model.hiddenSize * VALUE_BYTES * numTokens;
  return layerCounts.map((numLayers, stage) => {
    const isLast = stage === layerCounts.length - 1;
    const forward = numLayers * (layer.weights + layer.attention) + (isLast ? head : 0);
    const weights = numLayers * layer.weights + (isLast ? head : 0);
    const again = microBatch.recompute ? numLayers * (layer.weights + layer.attention) : 0;
    const numEmbeddings = (stage === 0 ? 1 : 0) + (isLast && !(model.tiedEmbedding && stage === 0) ? 1 : 0);
    return {
      // Attention has no weights, so its whole backward, twice its forward, belongs to I.
      flops: { F: forward, I: weights + numLayers * 2 * layer.attention + again, W: weights },
      parameters: numLayers * layerParameters(model) + numEmbeddings * embeddingParameters(model),
      activationBytes:
        numLayers * (microBatch.recompute ? input : kept) +
        (isLast ? model.vocabularySize * LOGIT_BYTES * numTokens : 0),
      workspaceBytes: microBatch.recompute ? kept : 0,
    };
  });
}

/** The seconds of each computation of each stage. */
export function stageCostModel(
  stages: readonly StageShape[],
  device: DeviceShape,
  model: ModelShape,
  { size, sequenceLength }: MicroBatchShape,
): CostModel {
  const rows = size * sequenceLength;
  const rate = (device.peakFlops * device.efficiency * rows) / (rows + (device.halfRows ?? 0));
  return {
    F: stages.map(({ flops }) => flops.F / rate),
    I: stages.map(({ flops }) => flops.I / rate),
    W: stages.map(({ flops }) => flops.W / rate),
    ...(device.pairShare === undefined ? {} : { pairShare: device.pairShare }),
    link: device.link,
    activationBytes: model.hiddenSize * VALUE_BYTES * size * sequenceLength,
  };
}
