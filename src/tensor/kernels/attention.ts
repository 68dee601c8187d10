import { operator } from "../native-operator.ts";
import type { Tensor } from "../tensor.ts";

const ON_CPU = operator("aten::_scaled_dot_product_flash_attention_for_cpu");
const ON_CPU_BACKWARD = operator("aten::_scaled_dot_product_flash_attention_for_cpu_backward");
const ON_CARD = operator("aten::_scaled_dot_product_flash_attention");
const ON_CARD_BACKWARD = operator("aten::_scaled_dot_product_flash_attention_backward");

const NO_DROPOUT = 0;
/** What the kernel for cards takes: sizes of a head up to this, and multiples of that. */
const HEAD_SIZE_MAX = 256;
const HEAD_SIZE_UNIT = 8;

/** What the backward of a fused attention needs, besides its inputs. */
export interface FlashAttention {
  readonly y: Tensor;
  /** The logarithm of the sum of each row's exponentials. */
  readonly logSumExp: Tensor;
  /** The state of dropout, on a card. */
  readonly randomState: Tensor | null;
  readonly randomOffset: Tensor | null;
}

/**
 * True where the device has a fused attention for such queries [B, heads, T, D]: on cards for bfloat16 and float16, on
 * CPUs where LibTorch is not too old.
 */
export function hasFlashAttention({ runtime, dtype, shape }: Tensor): boolean {
  if (runtime.device.kind === "cpu") return runtime.supports(ON_CPU);
  const headSize = shape[3]!;
  return (
    (dtype === "bfloat16" || dtype === "float16") &&
    headSize % HEAD_SIZE_UNIT === 0 &&
    headSize <= HEAD_SIZE_MAX
  );
}

export function flashAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  causal: boolean,
  scale: number,
): FlashAttention {
  const { runtime } = q;
  if (runtime.device.kind === "cpu") {
    const [y, logSumExp] = runtime.kernelMany(ON_CPU, q, k, v, NO_DROPOUT, causal, null, scale);
    return { y: y!, logSumExp: logSumExp!, randomState: null, randomOffset: null };
  }
  return runtime.scope(() => {
    const results = runtime.kernelMany(ON_CARD, q, k, v, NO_DROPOUT, causal, false, scale);
    const [y, logSumExp, , , , , randomState = null, randomOffset = null] = results;
    return { y: y!, logSumExp: logSumExp!, randomState, randomOffset };
  });
}

export function flashAttentionBackward(
  dy: Tensor,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  { y, logSumExp, randomState, randomOffset }: FlashAttention,
  causal: boolean,
  scale: number,
): [dq: Tensor, dk: Tensor, dv: Tensor] {
  const { runtime } = dy;
  const gradients =
    runtime.device.kind === "cpu"
      ? runtime.kernelMany(ON_CPU_BACKWARD, dy, q, k, v, y, logSumExp, NO_DROPOUT, causal, null, scale)
      : runtime.kernelMany(
          ON_CARD_BACKWARD,
          dy,
          q,
          k,
          v,
          y,
          logSumExp,
          null,
          null,
          q.shape[2],
          k.shape[2],
          NO_DROPOUT,
          causal,
          randomState,
          randomOffset,
          scale,
        );
  return gradients as [Tensor, Tensor, Tensor];
}
