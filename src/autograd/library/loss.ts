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
const TRIPLET_MARGIN_LOSS = operator("aten::triplet_margin_loss");
const MARGIN_RANKING_LOSS = operator("aten::margin_ranking_loss");
const HINGE_EMBEDDING_LOSS = operator("aten::hinge_embedding_loss");
const SOFT_MARGIN_LOSS = operator("aten::soft_margin_loss");
const MULTI_MARGIN_LOSS = operator("aten::multi_margin_loss");
const POISSON_NLL_LOSS = operator("aten::poisson_nll_loss");
const CTC_LOSS = operator("aten::ctc_loss", "Tensor");
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

/** How much farther the anchor is from the negative than from the positive, below the margin. Balntas et al., 2016. */
export function tripletMarginLoss(
  anchor: Tensor,
  positive: Tensor,
  negative: Tensor,
  margin = 1,
  reduction: Reduction = "mean",
): Tensor {
  return differentiable(
    TRIPLET_MARGIN_LOSS,
    anchor,
    positive,
    negative,
    margin,
    2,
    1e-6,
    false,
    CODES[reduction],
  );
}

/** `max(0, -target (a - b) + margin)`, with targets 1 where a should be the larger one, and -1 where b should. */
export function marginRankingLoss(
  a: Tensor,
  b: Tensor,
  target: Tensor,
  margin = 0,
  reduction: Reduction = "mean",
): Tensor {
  return differentiable(MARGIN_RANKING_LOSS, a, b, target, margin, CODES[reduction]);
}

/** The input where the target is 1; the margin less the input, at least 0, where it is -1. */
export function hingeEmbeddingLoss(
  input: Tensor,
  target: Tensor,
  margin = 1,
  reduction: Reduction = "mean",
): Tensor {
  return differentiable(HINGE_EMBEDDING_LOSS, input, target, margin, CODES[reduction]);
}

/** `log(1 + e^(-target input))`, with targets 1 and -1. */
export function softMarginLoss(input: Tensor, target: Tensor, reduction: Reduction = "mean"): Tensor {
  return differentiable(SOFT_MARGIN_LOSS, input, target, CODES[reduction]);
}

/**
 * `max(0, margin - score of the target + score)` of all other classes, over the number of classes.
 * @param scores [N, C]
 * @param targets int64 [N], from 0 to C - 1
 */
export function multiMarginLoss(
  scores: Tensor,
  targets: Tensor,
  margin = 1,
  reduction: Reduction = "mean",
): Tensor {
  return differentiable(MULTI_MARGIN_LOSS, scores, targets, 1, margin, null, CODES[reduction]);
}

/** `e^input - target input`: counts of a Poisson distribution whose logarithms are given, but for a constant. */
export function poissonNllLoss(logInput: Tensor, target: Tensor, reduction: Reduction = "mean"): Tensor {
  return differentiable(POISSON_NLL_LOSS, logInput, target, true, false, 1e-8, CODES[reduction]);
}

/**
 * The negative logarithm of the probability of a sequence of labels, over all its alignments to T steps. Graves et
 * al., 2006. The mean is over the samples, of each loss divided by its number of labels.
 * @param logProbabilities [T, N, C]; class 0 is the blank
 * @param targets int64 [N, S], from 1 to C - 1
 * @param inputLengths int64 [N], at most T
 * @param targetLengths int64 [N], at most S
 */
export function ctcLoss(
  logProbabilities: Tensor,
  targets: Tensor,
  inputLengths: Tensor,
  targetLengths: Tensor,
  reduction: Reduction = "mean",
): Tensor {
  return differentiable(
    CTC_LOSS,
    logProbabilities,
    targets,
    inputLengths,
    targetLengths,
    0,
    CODES[reduction],
  );
}
