import { dtypeCode } from "../../tensor/dtype.ts";
import { operator } from "../../tensor/native-operator.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { type Node, record } from "../graph.ts";
import { sameShape, shapeMismatch } from "./shape-mismatch.ts";

const FLASH = operator("aten::_scaled_dot_product_flash_attention_for_cpu");
const FLASH_BACKWARD = operator("aten::_scaled_dot_product_flash_attention_for_cpu_backward");
const RESHAPE = operator("aten::reshape");
const TRANSPOSE = operator("aten::transpose", "int");
const FULL = operator("aten::full");
const TRIU_INPLACE = operator("aten::triu_");
const BMM = operator("aten::bmm");
const BADDBMM = operator("aten::baddbmm");
const MUL_INPLACE = operator("aten::mul_", "Scalar");
const SOFTMAX = operator("aten::_softmax");
const SOFTMAX_BACKWARD = operator("aten::_softmax_backward_data");

export interface AttentionOptions {
  /** Position t sees positions 0 to t only. */
  readonly causal?: boolean;
  /** Factor of the scores; 1 / sqrt(D) if not given. */
  readonly scale?: number;
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
  checkShapes(q, k, v);
  const { causal = false, scale = 1 / Math.sqrt(q.shape[3]!) } = options;
  return q.runtime.supports(FLASH)
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
  const { runtime } = q;
  const [y, logSumExp] = runtime.callMany(FLASH, q, k, v, 0, causal, null, scale) as [Tensor, Tensor];
  const saves = [q, k, v, y, logSumExp].map((tensor) => [tensor, 0, 1, 2] as const);
  record("scaledDotProductAttention", [q, k, v], [y], saves, (node) => {
    const saved = saves.map((_, i) => node.saved(i));
    return runtime.callMany(FLASH_BACKWARD, node.gradient, ...saved, 0, causal, null, scale);
  });
  return y;
}

function composedAttention(q: Tensor, k: Tensor, v: Tensor, causal: boolean, scale: number): Tensor {
  const { runtime, shape } = q;
  return runtime.scope(() => {
    const [q3, k3, v3] = [matrices(q), matrices(k), matrices(v)];
    const scores = scoresOf(q3, k3, causal, scale);
    const weights = runtime.call(SOFTMAX, scores, -1, false);
    const y = runtime.call(RESHAPE, runtime.call(BMM, weights, v3), shape);
    record(
      "scaledDotProductAttention",
      [q, k, v],
      [y],
      [
        [k3, 0],
        [q3, 1],
        [v3, 0, 1],
        [weights, 0, 1, 2],
      ],
      (node) => composedBackward(node, shape, k.shape, scale),
    );
    return y;
  });
}

function scoresOf(queries: Tensor, keys: Tensor, causal: boolean, scale: number): Tensor {
  const { runtime } = queries;
  const keysT = runtime.call(TRANSPOSE, keys, 1, 2);
  if (causal) return runtime.call(BADDBMM, futureMask(queries, keys.shape[1]!), queries, keysT, 1, scale);
  // Not by baddbmm with a beta of 0: LibTorch 1.13 multiplies what lay in the result's memory by it, NaNs too.
  const scores = runtime.call(BMM, queries, keysT);
  runtime.callInPlace(MUL_INPLACE, scores, scale);
  return scores;
}

function composedBackward(
  node: Node,
  queryShape: readonly number[],
  keyShape: readonly number[],
  scale: number,
): (Tensor | null)[] {
  const { runtime } = node;
  const transpose = (x: Tensor) => runtime.call(TRANSPOSE, x, 1, 2);
  const gradient = matrices(node.gradient);
  const weights = node.saved(3);
  const scaled = (x: Tensor, shape: readonly number[]) => {
    runtime.callInPlace(MUL_INPLACE, x, scale);
    return runtime.call(RESHAPE, x, shape);
  };
  let queryGrad: Tensor | null = null;
  let keyGrad: Tensor | null = null;
  if (node.wants(0) || node.wants(1)) {
    const weightsGrad = runtime.call(BMM, gradient, transpose(node.saved(2)));
    const dtype = dtypeCode(weights.dtype);
    const scoresGrad = runtime.call(SOFTMAX_BACKWARD, weightsGrad, weights, -1, dtype);
    if (node.wants(0)) queryGrad = scaled(runtime.call(BMM, scoresGrad, node.saved(0)), queryShape);
    if (node.wants(1)) keyGrad = scaled(runtime.call(BMM, transpose(scoresGrad), node.saved(1)), keyShape);
  }
  const valueGrad = node.wants(2)
    ? runtime.call(RESHAPE, runtime.call(BMM, transpose(weights), gradient), keyShape)
    : null;
  return [queryGrad, keyGrad, valueGrad];
}

/** [B, heads, T, D] as [B heads, T, D]. */
function matrices(x: Tensor): Tensor {
  const [batch, heads, length, size] = x.shape as [number, number, number, number];
  return x.runtime.call(RESHAPE, x, [batch * heads, length, size]);
}

/** 0 where a position may be seen, -infinity above the diagonal. */
function futureMask(queries: Tensor, numKeys: number): Tensor {
  const mask = queries.runtime.call(FULL, [queries.shape[1]!, numKeys], -Infinity, dtypeCode(queries.dtype));
  queries.runtime.callInPlace(TRIU_INPLACE, mask, 1);
  return mask;
}
