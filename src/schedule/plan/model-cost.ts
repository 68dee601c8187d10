/*
 * What a stage costs and keeps, from the sizes of the model.
 *
 * Operations are those of products: two for each weight and token, and those of causal attention. Experts change three
 * things. A token uses only the chosen ones, so there are fewer operations than parameters. An expert sees only the
 * tokens that choose it, so its products have fewer rows. Where experts are spread over devices, tokens travel to them
 * and back, in the forward and for its gradient.
 */
import type { CostModel, LinkCost } from "../simulate/cost.ts";
import {
  commonParameters,
  embeddingParameters,
  expertParameters,
  layerParameters,
  type ModelShape,
} from "./model/model-shape.ts";

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
  /** Parameters on each device that holds the stage. */
  readonly parameters: number;
  /** The part of its experts; absent where it has none. */
  readonly experts?: StageExperts;
  /** What it keeps of a micro-batch from its forward to its backward. */
  readonly activationBytes: number;
  /** What it needs in addition while one layer is recomputed. */
  readonly workspaceBytes: number;
}

/** What the experts of a stage cost in one micro-batch. */
interface StageExperts {
  /** The part of the stage's parameters on a device. */
  readonly parameters: number;
  /** Operations of their products in a forward; each half of the backward has as many. */
  readonly flops: number;
  /** The rows of one expert's product: the tokens that choose it, of all devices that share the experts. */
  readonly rows: number;
  /** Layers with experts. */
  readonly numLayers: number;
  /** Bytes that a device sends in the two all-to-alls of a forward, to the experts and back. */
  readonly exchangeBytes: number;
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
function layerFlops(model: ModelShape, { size, sequenceLength }: MicroBatchShape, hasExperts: boolean) {
  const numTokens = size * sequenceLength;
  const used = hasExperts ? commonParameters(model) + expertParameters(model).active : layerParameters(model);
  return {
    weights: 2 * used * numTokens,
    attention: 2 * numTokens * sequenceLength * model.numHeads * model.headSize,
  };
}

function headFlops(model: ModelShape, { size, sequenceLength }: MicroBatchShape): number {
  return 2 * embeddingParameters(model) * size * sequenceLength;
}

/** The work of the head in units of the work of a layer, one with experts where the model has them. */
export function headInLayers(model: ModelShape, microBatch: MicroBatchShape): number {
  const layer = layerFlops(model, microBatch, model.experts !== undefined);
  return headFlops(model, microBatch) / (layer.weights + layer.attention);
}

/** Layers of a model without experts, and with them, among those from `first` on. */
function kindsOfLayers({ numLayers, experts }: ModelShape, first = 0, count = numLayers) {
  const numDense = Math.min(count, Math.max(0, (experts?.numDenseLayers ?? numLayers) - first));
  return { numDense, numMixed: count - numDense };
}

/** Operations of the whole model's forward and backward on one micro-batch, as MFU counts them: no recomputation. */
export function modelFlops(model: ModelShape, microBatch: MicroBatchShape): number {
  const { numDense, numMixed } = kindsOfLayers(model);
  const dense = layerFlops(model, microBatch, false);
  const mixed = layerFlops(model, microBatch, true);
  const layers = numDense * (dense.weights + dense.attention) + numMixed * (mixed.weights + mixed.attention);
  return 3 * (layers + headFlops(model, microBatch));
}

/**
 * Bytes that a layer keeps of a micro-batch with fused attention: the inputs of products, norms and activations. A
 * token has a copy for each of its experts.
 */
function layerActivationBytes(
  model: ModelShape,
  { size, sequenceLength }: MicroBatchShape,
  hasExperts: boolean,
): number {
  const { hiddenSize, headSize, numHeads, numKeyValueHeads, mlpSize, numMlpMatrices, experts } = model;
  const { numChosen = 0, size: expertSize = 0, sharedSize = 0 } = experts ?? {};
  const mlp = hasExperts
    ? (numChosen * expertSize + sharedSize) * numMlpMatrices + numChosen * hiddenSize
    : mlpSize * numMlpMatrices;
  const values = 4 * hiddenSize + headSize * 2 * (numHeads + numKeyValueHeads) + mlp;
  return values * VALUE_BYTES * size * sequenceLength;
}

/** The experts of `numLayers` layers, spread over `expertParallel` devices. */
function stageExperts(
  model: ModelShape,
  numLayers: number,
  numTokens: number,
  expertParallel: number,
): StageExperts {
  const { numChosen, numExperts } = model.experts!;
  const { total, active } = expertParameters(model);
  const sentBytes = numTokens * numChosen * model.hiddenSize * VALUE_BYTES;
  return {
    parameters: (numLayers * total) / expertParallel,
    flops: 2 * numLayers * active * numTokens,
    rows: (expertParallel * numTokens * numChosen) / numExperts,
    numLayers,
    exchangeBytes: (2 * numLayers * sentBytes * (expertParallel - 1)) / expertParallel,
  };
}

/**
 * The stages of a model, with `layerCounts` layers each.
 * @param expertParallel Devices that the experts of a layer are spread over.
 */
export function stageShapes(
  model: ModelShape,
  layerCounts: readonly number[],
  microBatch: MicroBatchShape,
  expertParallel = 1,
): StageShape[] {
  const [dense, mixed] = [layerFlops(model, microBatch, false), layerFlops(model, microBatch, true)];
  const head = headFlops(model, microBatch);
  const keptDense = layerActivationBytes(model, microBatch, false);
  const keptMixed = layerActivationBytes(model, microBatch, true);
  const numTokens = microBatch.size * microBatch.sequenceLength;
  const input = model.hiddenSize * VALUE_BYTES * numTokens;
  let first = 0;
  return layerCounts.map((numLayers, stage) => {
    const { numDense, numMixed } = kindsOfLayers(model, first, numLayers);
    first += numLayers;
    const isLast = stage === layerCounts.length - 1;
    const layers =
      numDense * (dense.weights + dense.attention) + numMixed * (mixed.weights + mixed.attention);
    const weights = numDense * dense.weights + numMixed * mixed.weights + (isLast ? head : 0);
    const again = microBatch.recompute ? layers : 0;
    const numEmbeddings = (stage === 0 ? 1 : 0) + (isLast && !(model.tiedEmbedding && stage === 0) ? 1 : 0);
    const experts = numMixed > 0 ? stageExperts(model, numMixed, numTokens, expertParallel) : undefined;
    return {
      // Attention has no weights, so its whole backward, twice its forward, belongs to I.
      flops: {
        F: layers + (isLast ? head : 0),
        I: weights + numLayers * 2 * dense.attention + again,
        W: weights,
      },
      parameters:
        numDense * layerParameters(model) +
        numMixed * commonParameters(model) +
        (experts?.parameters ?? 0) +
        numEmbeddings * embeddingParameters(model),
      ...(experts && { experts }),
      activationBytes:
        (microBatch.recompute ? numLayers * input : numDense * keptDense + numMixed * keptMixed) +
        (isLast ? model.vocabularySize * LOGIT_BYTES * numTokens : 0),
      workspaceBytes: microBatch.recompute
        ? Math.max(numDense > 0 ? keptDense : 0, numMixed > 0 ? keptMixed : 0)
        : 0,
    };
  });
}

/**
 * The seconds of each computation of each stage.
 *
 * The all-to-alls of experts are part of F and I. A pair hides them or is hidden by them, as in DualPipe, where one
 * direction computes while the other communicates (DeepSeek-V3, section 3.2.1): it takes the longer of its
 * computation and its communication.
 */
export function stageCostModel(
  stages: readonly StageShape[],
  device: DeviceShape,
  model: ModelShape,
  { size, sequenceLength, recompute }: MicroBatchShape,
): CostModel {
  const rate = (rows: number) =>
    (device.peakFlops * device.efficiency * rows) / (rows + (device.halfRows ?? 0));
  const rows = size * sequenceLength;
  const numForwards = { F: 1, I: recompute ? 2 : 1, W: 1 };
  const computed = stages.map(({ flops, experts }) => {
    const seconds = (kind: "F" | "I" | "W") => {
      const ofExperts = (experts?.flops ?? 0) * numForwards[kind];
      const others = (flops[kind] - ofExperts) / rate(rows);
      return experts === undefined ? others : others + ofExperts / rate(experts.rows);
    };
    return { F: seconds("F"), I: seconds("I"), W: seconds("W") };
  });
  const exchanges = stages.map(({ experts }) => exchangeSeconds(experts, device.link));
  const hasExchange = exchanges.some((seconds) => seconds > 0);
  const share = device.pairShare ?? 1;
  const pairs = computed.map(({ F, I, W }, stage) =>
    Math.max(share * (F + I + W), exchanges[stage]! * (numForwards.F + numForwards.I)),
  );
  return {
    F: computed.map(({ F }, stage) => F + exchanges[stage]!),
    I: computed.map(({ I }, stage) => I + exchanges[stage]! * numForwards.I),
    W: computed.map(({ W }) => W),
    ...(hasExchange ? { FB: pairs } : device.pairShare === undefined ? {} : { pairShare: device.pairShare }),
    link: device.link,
    activationBytes: model.hiddenSize * VALUE_BYTES * size * sequenceLength,
  };
}

/** The time of the two all-to-alls of each layer's forward; 0 where a device has all experts. */
function exchangeSeconds(
  experts: StageExperts | undefined,
  { latency, bandwidth = Infinity }: LinkCost,
): number {
  if (experts === undefined || experts.exchangeBytes === 0) return 0;
  return 2 * experts.numLayers * latency + experts.exchangeBytes / bandwidth;
}
