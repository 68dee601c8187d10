/** Losses, as PyTorch names them. `reduction` makes one number of the elements: their mean, or their sum. */
import { operator } from "../../tensor/native-operator.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { Reduction } from "../operators/loss.ts";
import { differentiable } from "./differentiable.ts";

const L1_LOSS = operator("aten::l1_loss");
const SMOOTH_L1_LOSS = operator("aten::smooth_l1_loss");
const HUBER_LOSS = operator("aten::huber_loss");
const NLL_LOSS = operator("aten::nll_loss");
const BINARY_CROSS_ENTROPY = operator("aten::binary_cross_entropy");
const BINARY_CROSS_ENTROPY_WITH_LOGITS = operator("aten::binary_cross_entropy_with_logits");
const KL_DIV = operator("aten::kl_div");
const COSINE_EMBEDDING_LOSS = operator("aten::cosine_embedding_loss");
const COSINE_SIMILARITY = operator("aten::cosine_similarity");
const CROSS_ENTROPY_LOSS = operator("aten::cross_entropy_loss");

/** LibTorch's numbers for reductions. */
const CODES: Readonly<Record<Reduction, number>> = { mean: 1, sum: 2 };

/** The absolute differences of input and target, of one shape. */
export function l1Loss(input: Tensor, target: Tensor, reduction: Reduction = "mean"): Tensor {
  return differentiable(L1_LOSS, input, target, CODES[reduction]);
}

/** Half the squared difference, divided by beta, where it is below beta; elsewhere the difference less half of beta. */
export function smoothL1Loss(input: Tensor, target: Tensor, beta = 1, reduction: Reduction = "mean"): Tensor {
  return differentiable(SMOOTH_L1_LOSS, input, target, CODES[reduction], beta);
}

/**
 * Half the squared difference where it is below delta; elsewhere delta times the difference less half of delta.
 * Huber, 1964.
 */
export function huberLoss(input: Tensor, target: Tensor, delta = 1, reduction: Reduction = "mean"): Tensor {
  return differentiable(HUBER_LOSS, input, target, CODES[reduction], delta);
}

/**
 * The negative of the element at the target.
 * @param logProbabilities [N, C]
 * @param targets int64 [N], from 0 to C - 1; -100 does not count
 */
export function nllLoss(logProbabilities: Tensor, targets: Tensor, reduction: Reduction = "mean"): Tensor {
  return differentiable(NLL_LOSS, logProbabilities, targets, null, CODES[reduction]);
}

/** Binary cross entropy of probabilities from 0 to 1 and targets from 0 to 1, of one shape. */
export function binaryCrossEntropy(input: Tensor, target: Tensor, reduction: Reduction = "mean"): Tensor {
  return differentiable(BINARY_CROSS_ENTROPY, input, target, null, CODES[reduction]);
}

/** `binaryCrossEntropy` of `sigmoid(logits)`, without a loss of digits. */
export function bceWithLogits(logits: Tensor, target: Tensor, reduction: Reduction = "mean"): Tensor {
  return differentiable(BINARY_CROSS_ENTROPY_WITH_LOGITS, logits, target, null, null, CODES[reduction]);
}

/** `target (log(target) - input)`: the divergence of the target from a distribution given by its logarithms. */
export function klDiv(logInput: Tensor, target: Tensor, reduction: Reduction = "mean"): Tensor {
  return differentiable(KL_DIV, logInput, target, CODES[reduction]);
}

/** The cosine of the angle between vectors along a dimension. */
export function cosineSimilarity(a: Tensor, b: Tensor, dim = 1, eps = 1e-8): Tensor {
  return differentiable(COSINE_SIMILARITY, a, b, dim, eps);
}

/** 1 less the cosine where the target is 1; the cosine less the margin, at least 0, where it is -1. */
export function cosineEmbeddingLoss(
  a: Tensor,
  b: Tensor,
  target: Tensor,
  margin = 0,
  reduction: Reduction = "mean",
): Tensor {
  return differentiable(COSINE_EMBEDDING_LOSS, a, b, target, margin, CODES[reduction]);
}

/**
 * `crossEntropy` with a part of each target spread over all classes. Szegedy et al., 2016.
 * @param logits [N, C]
 * @param targets int64 [N], from 0 to C - 1
 * @param smoothing From 0 to 1
 */
export function smoothedCrossEntropy(
  logits: Tensor,
  targets: Tensor,
  smoothing: number,
  reduction: Reduction = "mean",
): Tensor {
  return differentiable(CROSS_ENTROPY_LOSS, logits, targets, null, CODES[reduction], -100, smoothing);
}
