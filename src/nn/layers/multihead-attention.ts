// Multi-head attention in PyTorch's form: with masks, between two sequences, with dropout on the weights, for inputs of
// different sizes. `CausalSelfAttention` is the fast one of a GPT; this one says every step, and so can mask and return
// its weights.
import { maskedFill } from "../../autograd/library/indexing.ts";
import { softmax } from "../../autograd/operators/activation.ts";
import { add, mul } from "../../autograd/operators/arithmetic.ts";
import { dropout } from "../../autograd/operators/dropout.ts";
import { linear } from "../../autograd/operators/linear.ts";
import { matmul } from "../../autograd/operators/matmul.ts";
import { mean } from "../../autograd/operators/reduction.ts";
import { reshape, transpose } from "../../autograd/operators/shape.ts";
import { narrow } from "../../autograd/operators/slice.ts";
import type { Parameter } from "../../autograd/parameter.ts";
import { checkedOptions, OptionError } from "../../errors/option-error.ts";
import type { DType } from "../../tensor/dtype.ts";
import type { Runtime } from "../../tensor/runtime.ts";
import { sameShape, shapeMismatch } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { constantParameter, fillConstant, uniformParameter } from "../initial.ts";
import { Module } from "../module.ts";
import { Linear } from "./linear.ts";

export interface MultiheadAttentionOptions {
  /** In training, the probability of dropout of the attention weights. Default: 0. */
  readonly dropout?: number | undefined;
  /** Default: true. */
  readonly bias?: boolean | undefined;
  /** Sizes of keys and of values; by default that of the queries. */
  readonly kdim?: number | undefined;
  readonly vdim?: number | undefined;
  /** Whether sequences are [N, L, E] instead of [L, N, E]. Default: false, as in PyTorch. */
  readonly batchFirst?: boolean | undefined;
  /**
   * Whether the attention weights are returned. Default: false, because few models use them. PyTorch asks at each call,
   * with true as the default; inputs of a module are tensors here.
   */
  readonly needWeights?: boolean | undefined;
  /** Whether the returned weights are averaged over the heads. Default: true. */
  readonly averageAttnWeights?: boolean | undefined;
  readonly dtype?: DType | undefined;
}

const OPTION_NAMES = [
  "dropout",
  "bias",
  "kdim",
  "vdim",
  "batchFirst",
  "needWeights",
  "averageAttnWeights",
  "dtype",
] as const;

/** Queries, keys, values and masks, in PyTorch's order; a mask that is left out masks nothing. */
type AttentionInputs = [
  query: Tensor,
  key: Tensor,
  value: Tensor,
  keyPaddingMask?: Tensor | null,
  attnMask?: Tensor | null,
];

/**
 * Multi-head attention: per head, `softmax(q k^T / sqrt(E / numHeads) + mask) v`. Vaswani et al., 2017.
 * E is the size of queries and outputs, L the number of queries, S that of keys and values, N the batch.
 */
export class MultiheadAttention extends Module<
  AttentionInputs,
  readonly [output: Tensor, weights: Tensor | null]
> {
  readonly numHeads: number;
  readonly dropout: number;
  readonly batchFirst: boolean;
  readonly needWeights: boolean;
  readonly averageAttnWeights: boolean;
  /** The projections of queries, keys and values, [3 E, E]; null when their sizes differ. */
  readonly in_proj_weight: Parameter | null;
  /** [E, E], [E, kdim] and [E, vdim], where the sizes differ. */
  readonly q_proj_weight: Parameter | null;
  readonly k_proj_weight: Parameter | null;
  readonly v_proj_weight: Parameter | null;
  /** [3 E]; initially 0. */
  readonly in_proj_bias: Parameter | null;
  readonly out_proj: Linear;

  /** @throws OptionError unless `numHeads` divides `hiddenSize`, or for an option that does not exist */
  constructor(
    runtime: Runtime,
    hiddenSize: number,
    numHeads: number,
    options: MultiheadAttentionOptions = {},
  ) {
    super(runtime);
    const {
      dropout = 0,
      bias = true,
      kdim = hiddenSize,
      vdim = hiddenSize,
      batchFirst = false,
      needWeights = false,
      averageAttnWeights = true,
      dtype = "float32",
    } = checkedOptions("MultiheadAttention", options, OPTION_NAMES);
    if (!(numHeads >= 1 && hiddenSize % numHeads === 0))
      throw new OptionError(
        `MultiheadAttention: the number of heads must divide the hidden size; got ${numHeads} heads and a hidden size of ${hiddenSize}`,
      );
    if (!(dropout >= 0 && dropout < 1))
      throw new OptionError(`MultiheadAttention: dropout must be at least 0 and under 1; got ${dropout}`);
    this.numHeads = numHeads;
    this.dropout = dropout;
    this.batchFirst = batchFirst;
    this.needWeights = needWeights;
    this.averageAttnWeights = averageAttnWeights;
    // In PyTorch's order, so that the same seed gives the same values.
    this.out_proj = new Linear(runtime, hiddenSize, hiddenSize, { bias, dtype });
    if (this.out_proj.bias !== null) fillConstant(this.out_proj.bias, 0);
    const projection = (rows: number, columns: number): Parameter =>
      // Glorot and Bengio, 2010.
      uniformParameter(runtime, [rows, columns], Math.sqrt(6 / (rows + columns)), dtype);
    const isSame = kdim === hiddenSize && vdim === hiddenSize;
    this.in_proj_weight = isSame ? projection(3 * hiddenSize, hiddenSize) : null;
    this.q_proj_weight = isSame ? null : projection(hiddenSize, hiddenSize);
    this.k_proj_weight = isSame ? null : projection(hiddenSize, kdim);
    this.v_proj_weight = isSame ? null : projection(hiddenSize, vdim);
    this.in_proj_bias = bias ? constantParameter(runtime, [3 * hiddenSize], 0, dtype) : null;
  }

  /**
   * @param query [L, N, E], or [N, L, E] with `batchFirst`
   * @param key [S, N, kdim], likewise
   * @param value [S, N, vdim], likewise
   * @param keyPaddingMask [N, S]; a boolean one is true where no query must see a key, another one is added to the
   * scores
   * @param attnMask [L, S] or [N numHeads, L, S], of the same kinds
   * @returns The outputs, in the shape of the queries, and if `needWeights` the weights [N, L, S], or
   * [N, numHeads, L, S] unless `averageAttnWeights`. A query that must see no key at all gets NaN, as in PyTorch.
   */
  forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    keyPaddingMask: Tensor | null = null,
    attnMask: Tensor | null = null,
  ): readonly [Tensor, Tensor | null] {
    const inputs = [query, key, value].map((x) => (this.batchFirst ? x : transpose(x, 0, 1)));
    const [q, k, v] = inputs.map((x, i) => this.#heads(x, i)) as [Tensor, Tensor, Tensor];
    const [N, , L, size] = q.shape as [number, number, number, number];
    const S = k.shape[2]!;
    let scores = matmul(mul(q, 1 / Math.sqrt(size)), transpose(k, 2, 3));
    if (attnMask !== null) scores = masked(scores, this.#scoresMask(attnMask, [N, L, S]));
    if (keyPaddingMask !== null) {
      checkMask("keyPaddingMask", keyPaddingMask, [[N, S]]);
      scores = masked(scores, reshape(keyPaddingMask, [N, 1, 1, S]));
    }
    const weights = softmax(scores, -1);
    const dropped = this.training && this.dropout > 0 ? dropout(weights, this.dropout) : weights;
    const joined = reshape(transpose(matmul(dropped, v), 1, 2), [N, L, this.numHeads * size]);
    const output = this.out_proj.call(joined);
    const outputs = this.batchFirst ? output : transpose(output, 0, 1);
    if (!this.needWeights) return [outputs, null];
    return [outputs, this.averageAttnWeights ? mean(dropped, [1]) : dropped];
  }

  /** `attnMask` with dimensions for the batch and the heads. */
  #scoresMask(attnMask: Tensor, [N, L, S]: readonly [number, number, number]): Tensor {
    const numHeads = this.numHeads;
    checkMask("attnMask", attnMask, [
      [L, S],
      [N * numHeads, L, S],
    ]);
    return reshape(attnMask, attnMask.shape.length === 2 ? [1, 1, L, S] : [N, numHeads, L, S]);
  }

  /** The projection of queries, keys or values, [N, L, size] to [N, numHeads, L, E / numHeads]. */
  #heads(x: Tensor, which: number): Tensor {
    const hiddenSize = this.out_proj.weight.shape[0]!;
    const own = [this.q_proj_weight, this.k_proj_weight, this.v_proj_weight][which]!;
    const weight = this.in_proj_weight ? narrow(this.in_proj_weight, 0, which * hiddenSize, hiddenSize) : own;
    const bias = this.in_proj_bias && narrow(this.in_proj_bias, 0, which * hiddenSize, hiddenSize);
    if (x.shape.length !== 3 || x.shape[2] !== weight.shape[1])
      throw shapeMismatch("MultiheadAttention", `x must have 3 dimensions, the last of ${weight.shape[1]}`, {
        x,
      });
    const [N, L] = x.shape as [number, number];
    const heads = [N, L, this.numHeads, hiddenSize / this.numHeads];
    return transpose(reshape(linear(x, weight, bias), heads), 1, 2);
  }
}

function masked(scores: Tensor, mask: Tensor): Tensor {
  return mask.dtype === "bool" ? maskedFill(scores, mask, Number.NEGATIVE_INFINITY) : add(scores, mask);
}

/** Checks the shape of a mask; a reshape would take [S, L] for [L, S]. */
function checkMask(name: "keyPaddingMask" | "attnMask", mask: Tensor, shapes: readonly number[][]): void {
  if (shapes.some((shape) => sameShape(mask.shape, shape))) return;
  const allowed = shapes.map((shape) => `[${shape.join(", ")}]`).join(" or ");
  throw shapeMismatch("MultiheadAttention", `${name} must be ${allowed}`, { [name]: mask });
}
