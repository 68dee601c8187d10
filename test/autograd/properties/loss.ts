import fc from "fast-check";
import * as ops from "../../../src/autograd/index.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import { shapeOf } from "../shapes.ts";
import { indices, named, numbers, type Property, property, seed, small } from "./property.ts";

type Reduction = "mean" | "sum";
const reduction = fc.constantFrom<Reduction>("mean", "sum");
/** LibTorch's numbers for them. */
const CODES = { mean: 1, sum: 2 };
const both = fc.record({ shape: shapeOf(0, 3), reduction });
type Options = Pick<Property, "positive" | "range">;

/** A loss of an input and a target of one shape, both with a gradient. */
const ofBoth = (
  name: string,
  f: (a: Tensor, b: Tensor, reduction: Reduction) => Tensor,
  more: (number | null | boolean)[] = [],
  after: number[] = [],
  options: Options = {},
) =>
  property(name, {
    setting: both,
    shapes: ({ shape }) => [shape, shape],
    ours: ([a, b], { reduction }) => f(a!, b!, reduction),
    args: ([a, b], { reduction }) => [a!, b!, ...more, CODES[reduction], ...after],
    ...options,
  });

/** 1 or -1 for each element. */
const signs = (like: Tensor, shape: readonly number[], seed: number) => {
  const values = numbers(shape, seed).map((x) => (x < 0.5 ? -1 : 1));
  return like.runtime.tensor(values, shape, like.dtype);
};
const rows = fc.record({ n: small, classes: fc.integer({ min: 2, max: 5 }), seed, reduction });
const labels = ({ runtime }: Tensor, { n, classes, seed }: { n: number; classes: number; seed: number }) =>
  indices(runtime, classes, [n], seed);

const ofSigns = (name: string, f: typeof ops.hingeEmbeddingLoss) =>
  property(name, {
    setting: fc.record({ shape: shapeOf(1, 3), seed, reduction }),
    shapes: ({ shape }) => [shape],
    ours: ([x], { shape, seed, reduction }) => f(x!, signs(x!, shape, seed), 0.7, reduction),
    args: ([x], { shape, seed, reduction }) => [x!, signs(x!, shape, seed), 0.7, CODES[reduction]],
  });

/** Log-probabilities [T, N, C] and labels for them. */
const sequences = fc.record({
  steps: fc.integer({ min: 4, max: 6 }),
  n: fc.integer({ min: 1, max: 3 }),
  classes: fc.integer({ min: 2, max: 4 }),
  seed,
  reduction,
});
type Sequences = typeof sequences extends fc.Arbitrary<infer T> ? T : never;

function sequenceTargets({ runtime }: Tensor, { steps, n, classes, seed }: Sequences) {
  const fill = (value: number) => runtime.tensor(new Array<number>(n).fill(value), [n], "int64");
  const targets = numbers([n, 2], seed).map((x) => 1 + Math.floor(x * (classes - 1)));
  return [runtime.tensor(targets, [n, 2], "int64"), fill(steps), fill(2)] as const;
}

export const LOSSES: Readonly<Record<string, Property>> = {
  l1Loss: ofBoth("l1_loss", ops.l1Loss),
  smoothL1Loss: property("smooth_l1_loss", {
    setting: both,
    shapes: ({ shape }) => [shape, shape],
    ours: ([a, b], { reduction }) => ops.smoothL1Loss(a!, b!, 0.6, reduction),
    args: ([a, b], { reduction }) => [a!, b!, CODES[reduction], 0.6],
  }),
  huberLoss: property("huber_loss", {
    setting: both,
    shapes: ({ shape }) => [shape, shape],
    ours: ([a, b], { reduction }) => ops.huberLoss(a!, b!, 0.6, reduction),
    args: ([a, b], { reduction }) => [a!, b!, CODES[reduction], 0.6],
  }),
  binaryCrossEntropy: ofBoth("binary_cross_entropy", ops.binaryCrossEntropy, [null], [], {
    range: [0.1, 0.9],
  }),
  bceWithLogits: ofBoth("binary_cross_entropy_with_logits", ops.bceWithLogits, [null, null]),
  klDiv: ofBoth("kl_div", ops.klDiv, [], [], { positive: true }),
  poissonNllLoss: ofBoth("poisson_nll_loss", ops.poissonNllLoss, [true, false, 1e-8]),
  nllLoss: property("nll_loss", {
    setting: rows,
    shapes: ({ n, classes }) => [[n, classes]],
    ours: ([x], of) => ops.nllLoss(x!, labels(x!, of), of.reduction),
    args: ([x], of) => [x!, labels(x!, of), null, CODES[of.reduction]],
  }),
  smoothedCrossEntropy: property("cross_entropy_loss", {
    setting: rows,
    shapes: ({ n, classes }) => [[n, classes]],
    ours: ([x], of) => ops.smoothedCrossEntropy(x!, labels(x!, of), 0.2, of.reduction),
    args: ([x], of) => [x!, labels(x!, of), null, CODES[of.reduction], -100, 0.2],
  }),
  multiMarginLoss: property("multi_margin_loss", {
    setting: rows,
    shapes: ({ n, classes }) => [[n, classes]],
    ours: ([x], of) => ops.multiMarginLoss(x!, labels(x!, of), 0.8, of.reduction),
    args: ([x], of) => [x!, labels(x!, of), 1, 0.8, null, CODES[of.reduction]],
  }),
  hingeEmbeddingLoss: ofSigns("hinge_embedding_loss", ops.hingeEmbeddingLoss),
  softMarginLoss: property("soft_margin_loss", {
    setting: fc.record({ shape: shapeOf(1, 3), seed, reduction }),
    shapes: ({ shape }) => [shape],
    ours: ([x], { shape, seed, reduction }) => ops.softMarginLoss(x!, signs(x!, shape, seed), reduction),
    args: ([x], { shape, seed, reduction }) => [x!, signs(x!, shape, seed), CODES[reduction]],
  }),
  marginRankingLoss: property("margin_ranking_loss", {
    setting: fc.record({ shape: shapeOf(1, 2), seed, reduction }),
    shapes: ({ shape }) => [shape, shape],
    ours: ([a, b], of) => ops.marginRankingLoss(a!, b!, signs(a!, of.shape, of.seed), 0.3, of.reduction),
    args: ([a, b], of) => [a!, b!, signs(a!, of.shape, of.seed), 0.3, CODES[of.reduction]],
  }),
  tripletMarginLoss: property("triplet_margin_loss", {
    setting: fc.record({ shape: shapeOf(2), reduction }),
    shapes: ({ shape }) => [shape, shape, shape],
    ours: ([a, b, c], { reduction }) => ops.tripletMarginLoss(a!, b!, c!, 0.9, reduction),
    args: ([a, b, c], { reduction }) => [a!, b!, c!, 0.9, 2, 1e-6, false, CODES[reduction]],
  }),
  cosineSimilarity: property("cosine_similarity", {
    setting: shapeOf(2, 3),
    shapes: (shape) => [shape, shape],
    ours: ([a, b]) => ops.cosineSimilarity(a!, b!, 1, 1e-6),
    args: ([a, b]) => [a!, b!, 1, 1e-6],
  }),
  cosineEmbeddingLoss: property("cosine_embedding_loss", {
    setting: fc.record({ shape: shapeOf(2), seed, reduction }),
    shapes: ({ shape }) => [shape, shape],
    ours: ([a, b], { shape, seed, reduction }) =>
      ops.cosineEmbeddingLoss(a!, b!, signs(a!, shape.slice(0, 1), seed), 0.2, reduction),
    args: ([a, b], { shape, seed, reduction }) => [
      a!,
      b!,
      signs(a!, shape.slice(0, 1), seed),
      0.2,
      CODES[reduction],
    ],
  }),
  ctcLoss: property("ctc_loss.Tensor", {
    setting: sequences,
    shapes: ({ steps, n, classes }) => [[steps, n, classes]],
    ours: ([x], of) => ops.ctcLoss(ops.logSoftmax(x!, -1), ...sequenceTargets(x!, of), of.reduction),
    args: ([x], of) => [
      x!.runtime.call(named("log_softmax.int"), x!, -1),
      ...sequenceTargets(x!, of),
      0,
      CODES[of.reduction],
    ],
  }),
};
