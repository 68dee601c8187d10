/** Attention with a mask or dropout, of operators that each have their gradient: all of S and P is in memory. */
import { checkTensor } from "../../../tensor/argument.ts";
import * as kernels from "../../../tensor/kernels/index.ts";
import { shapeMismatch } from "../../../tensor/shape.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { softmax } from "../activation.ts";
import { add, where } from "../arithmetic.ts";
import { dropout } from "../dropout.ts";
import { matmul } from "../matmul.ts";
import { scale } from "../pointwise.ts";
import { transpose } from "../shape.ts";

interface MaskedAttention {
  readonly causal: boolean;
  readonly scale: number;
  readonly mask: Tensor | undefined;
  readonly dropout: number;
}

/** `dropout(softmax(scale q k^T + mask)) v`. @throws ShapeError when the mask does not broadcast to the scores */
export function maskedAttention(q: Tensor, k: Tensor, v: Tensor, options: MaskedAttention): Tensor {
  return q.runtime.scope(() => {
    let scores = scale(matmul(q, transpose(k, 2, 3)), options.scale);
    if (options.mask !== undefined) scores = masked(scores, options.mask);
    if (options.causal) scores = where(futureOf(scores), Number.NEGATIVE_INFINITY, scores);
    return matmul(dropout(softmax(scores), options.dropout), v);
  });
}

function masked(scores: Tensor, mask: Tensor): Tensor {
  checkTensor("scaledDotProductAttention", "mask", mask);
  const numNew = scores.shape.length - mask.shape.length;
  const fits = numNew >= 0 && mask.shape.every((size, i) => size === 1 || size === scores.shape[numNew + i]);
  if (!fits)
    throw shapeMismatch(
      "scaledDotProductAttention",
      "the mask must broadcast to the scores [B, heads, T, S]",
      {
        mask,
        scores,
      },
    );
  return mask.dtype === "bool" ? where(mask, scores, Number.NEGATIVE_INFINITY) : add(scores, mask);
}

/** True where a position must not be seen: bool [T, S]. */
function futureOf({ runtime, shape }: Tensor): Tensor {
  const future = runtime.ones(shape.slice(2), "bool");
  kernels.triu_(future, 1);
  return future;
}
