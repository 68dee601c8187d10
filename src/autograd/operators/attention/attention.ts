/**
 * Attention: `y = P v` with `P = softmax(S)` and scores `S = scale q k^T`, for each sequence and head.
 *
 * S and P have T x S elements per head, more than all other activations together when sequences are long. The
 * fused kernel never has them in memory as a whole: it goes through the keys in blocks, and keeps of each row
 * of S only the logarithm of its summed exponentials, from which the backward computes each block of P again.
 * One kernel gives all three gradients.
 *
 * A LibTorch without that kernel gets the formulas, on batches of matrices:
 *
 *     dv = P^T dy        dP = dy v^T        dS = P (dP - sum(dP P))        dq = scale dS k        dk = scale dS^T q
 */
import { checkedOptions } from "../../../errors/option-error.ts";
import { checkTensor } from "../../../tensor/argument.ts";
import type { DType } from "../../../tensor/dtype.ts";
import * as kernels from "../../../tensor/kernels/index.ts";
import type { Runtime } from "../../../tensor/runtime.ts";
import { sameShape, shapeMismatch } from "../../../tensor/shape.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { record } from "../../record.ts";
import { maskedAttention } from "./masked-attention.ts";

export interface AttentionOptions {
  /** Position t sees positions 0 to t only. */
  readonly causal?: boolean | undefined;
  /** Factor of the scores; 1 / sqrt(D) if not given. */
  readonly scale?: number | undefined;
  /**
   * Of a shape that broadcasts to [B, heads, T, S]: a bool tensor that is true where a position is seen, or numbers to
   * add to the scores, which may have a gradient. A row that sees nothing gives NaN. Not in a fused kernel.
   */
  readonly mask?: Tensor | undefined;
  /** The probability with which an element of P is set to 0, as `dropout` does; 0 if not given. Not fused either. */
  readonly dropout?: number | undefined;
}

/**
 * `softmax(scale q k^T) v`, in one fused kernel where LibTorch has one. Vaswani et al., 2017.
 * @param q [B, heads, T, D]
 * @param k [B, heads, S, D]
 * @param v [B, heads, S, D]
 * @returns [B, heads, T, D]
 */
export function scaledDotProductAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  options: AttentionOptions = {},
): Tensor {
  for (const [name, x] of [
    ["q", q],
    ["k", k],
    ["v", v],
  ] as const)
    checkTensor("scaledDotProductAttention", name, x);
  checkShapes(q, k, v);
  const checked = checkedOptions("scaledDotProductAttention", options, [
    "causal",
    "scale",
    "mask",
    "dropout",
  ]);
  const { causal = false, scale = 1 / Math.sqrt(q.shape[3]!), mask, dropout = 0 } = checked;
  if (mask !== undefined || dropout !== 0) return maskedAttention(q, k, v, { causal, scale, mask, dropout });
  return kernels.hasFlashAttention(q)
    ? fusedAttention(q, k, v, causal, scale)
    : composedAttention(q, k, v, causal, scale);
}

function checkShapes(q: Tensor, k: Tensor, v: Tensor): void {
  const [batch, heads, , size] = q.shape;
  const keys = [batch!, heads!, k.shape[2]!, size!];
  if (q.shape.length !== 4 || !sameShape(k.shape, keys) || !sameShape(v.shape, keys))
    throw shapeMismatch(
      "scaledDotProductAttention",
      "q must be [B, heads, T, D], and k and v [B, heads, S, D]",
      { q, k, v },
    );
}

function fusedAttention(q: Tensor, k: Tensor, v: Tensor, causal: boolean, scale: number): Tensor {
  const saves = { q, k, v, ...kernels.flashAttention(q, k, v, causal, scale) };
  const { y } = saves;
  return record("scaledDotProductAttention", { q, k, v }, y, saves, (dy, { q, k, v, ...forward }) => {
    const [dq, dk, dv] = kernels.flashAttentionBackward(dy, q, k, v, forward, causal, scale);
    return { q: dq, k: dk, v: dv };
  });
}

function composedAttention(q: Tensor, k: Tensor, v: Tensor, causal: boolean, scale: number): Tensor {
  const { runtime, shape: queryShape } = q;
  const { shape: keyShape } = k;
  return runtime.scope(() => {
    const [q3, k3, v3] = [matrices(q), matrices(k), matrices(v)];
    const weights = kernels.softmax(scoresOf(q3, k3, causal, scale), -1);
    const y = kernels.reshape(kernels.bmm(weights, v3), queryShape);
    const saves = {
      q3: [q3, "k"],
      k3: [k3, "q"],
      v3: [v3, "q", "k"],
      weights,
    } as const;
    return record(
      "scaledDotProductAttention",
      { q, k, v },
      y,
      saves,
      (dy4, { q3, k3, v3, weights }, node) => {
        const dy = matrices(dy4);
        const scoresGradient = () => {
          const dWeights = kernels.bmm(dy, transposed(v3));
          return kernels.softmaxBackward(dWeights, weights, -1, weights.dtype);
        };
        const dScores = node.wants("q") || node.wants("k") ? scoresGradient() : dy;
        return {
          q: () => scaled(kernels.bmm(dScores, k3), scale, queryShape),
          k: () => scaled(kernels.bmm(transposed(dScores), q3), scale, keyShape),
          v: () => kernels.reshape(kernels.bmm(transposed(weights), dy), keyShape),
        };
      },
    );
  });
}

function scoresOf(queries: Tensor, keys: Tensor, causal: boolean, scale: number): Tensor {
  const keysT = transposed(keys);
  if (causal) {
    const mask = futureMask(queries.runtime, queries.shape[1]!, keys.shape[1]!, queries.dtype);
    return kernels.baddbmm(mask, queries, keysT, scale);
  }
  // Not by baddbmm with a beta of 0: LibTorch 1.13 multiplies what lay in the result's memory by it, NaNs too.
  const scores = kernels.bmm(queries, keysT);
  kernels.mulScalar_(scores, scale);
  return scores;
}

function scaled(x: Tensor, scale: number, shape: readonly number[]): Tensor {
  kernels.mulScalar_(x, scale);
  return kernels.reshape(x, shape);
}

/** [B, heads, T, D] as [B heads, T, D]. */
function matrices(x: Tensor): Tensor {
  const [batch, heads, length, size] = x.shape as [number, number, number, number];
  return kernels.reshape(x, [batch * heads, length, size]);
}

function transposed(x: Tensor): Tensor {
  return kernels.transpose(x, 1, 2);
}

/** 0 where a position may be seen, -infinity above the diagonal. */
function futureMask(runtime: Runtime, numQueries: number, numKeys: number, dtype: DType): Tensor {
  const mask = runtime.full([numQueries, numKeys], -Infinity, dtype);
  kernels.triu_(mask, 1);
  return mask;
}
