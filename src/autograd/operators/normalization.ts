/**
 * Normalization over the last dimensions of a tensor, each of its rows for itself.
 *
 * The backward needs the normalized rows again. It does not keep them, as they are as large as the input, which
 * the operation before has to keep in most models anyway: it keeps one number for each row, `rstd = 1 /
 * standard deviation` (and the mean), and computes the rows a second time. With `n = x rstd` and `g = dy
 * weight`, the gradients of rmsNorm are
 *
 *     dWeight = sum of the rows of dy n        dx = rstd (g - n mean(g n))
 *
 * The mean is what the row's own norm contributes: a change of x along n changes nothing.
 */
import type { DType } from "../../tensor/dtype.ts";
import * as kernels from "../../tensor/kernels/index.ts";
import { sameShape, shapeMismatch } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { record } from "../record.ts";

/**
 * `(x - mean) / sqrt(variance + eps) * weight + bias`, with mean and variance over the last dimensions, which
 * are those of the normalized shape. Ba, Kiros and Hinton, 2016.
 * @param x [..., ...normalizedShape]
 * @param weight normalizedShape, or null
 * @param bias normalizedShape, or null
 */
export function layerNorm(
  x: Tensor,
  normalizedShape: readonly number[],
  weight: Tensor | null = null,
  bias: Tensor | null = null,
  eps = 1e-5,
): Tensor {
  checkNormalizedShape("layerNorm", x, normalizedShape, { weight, bias });
  const [y, mean, rstd] = kernels.layerNorm(x, normalizedShape, weight, bias, eps);
  const saves = { x, mean, rstd, weight, bias };
  return record("layerNorm", { x, weight, bias }, y, saves, (dy, { x, mean, rstd, weight, bias }, node) => {
    const wanted = [node.wants("x"), node.wants("weight"), node.wants("bias")] as const;
    const [dx, dWeight, dBias] = kernels.layerNormBackward(
      dy,
      x,
      normalizedShape,
      mean,
      rstd,
      weight,
      bias,
      wanted,
    );
    return { x: dx, weight: dWeight, bias: dBias };
  });
}

/**
 * `x / sqrt(mean(x^2) + eps) * weight`, with the mean over the last dimensions, which are those of the
 * normalized shape; bfloat16 and float16 are computed in float32. Zhang and Sennrich, 2019.
 * @param x [..., ...normalizedShape]
 * @param weight normalizedShape, or null
 */
export function rmsNorm(
  x: Tensor,
  normalizedShape: readonly number[],
  weight: Tensor | null = null,
  eps = 1e-6,
): Tensor {
  const { runtime, dtype } = x;
  const weightDtype = weight?.dtype ?? dtype;
  checkNormalizedShape("rmsNorm", x, normalizedShape, { weight });
  return runtime.scope(() => {
    const wide = widen(x);
    const rstd = kernels.mean(kernels.mul(wide, wide), lastDims(normalizedShape), true);
    kernels.addScalar_(rstd, eps);
    kernels.rsqrt_(rstd);
    const n = kernels.mul(wide, rstd);
    if (weight !== null) kernels.mul_(n, weight);
    const y = narrowTo(dtype, n);
    const saves = { x, rstd, weight: [weight, "x"] } as const;
    return record("rmsNorm", { x, weight }, y, saves, (dy, { x, rstd, weight }, node) => {
      const wideDy = widen(dy);
      const n = kernels.mul(widen(x), rstd);
      // First, because the gradient of x is computed in the memory of n.
      const dWeight = node.wants("weight")
        ? narrowTo(weightDtype, kernels.sumToSize(kernels.mul(wideDy, n), normalizedShape))
        : null;
      return {
        x: () => narrowTo(dy.dtype, inputGradient(wideDy, n, rstd, weight, normalizedShape)),
        weight: dWeight,
      };
    });
  });
}

/** dx = rstd (g - n mean(g n)), with g = dy weight; overwrites n. */
function inputGradient(
  dy: Tensor,
  n: Tensor,
  rstd: Tensor,
  weight: Tensor | null,
  normalizedShape: readonly number[],
): Tensor {
  const g = weight === null ? dy : kernels.mul(dy, weight);
  kernels.mul_(n, kernels.mean(kernels.mul(g, n), lastDims(normalizedShape), true));
  const dx = kernels.sub(g, n);
  kernels.mul_(dx, rstd);
  return dx;
}

function widen(x: Tensor): Tensor {
  return x.dtype === "bfloat16" || x.dtype === "float16" ? kernels.toDtype(x, "float32") : x;
}

function narrowTo(dtype: DType, x: Tensor): Tensor {
  return x.dtype === dtype ? x : kernels.toDtype(x, dtype);
}

function lastDims(normalizedShape: readonly number[]): number[] {
  return normalizedShape.map((_, i) => i - normalizedShape.length);
}

function checkNormalizedShape(
  name: string,
  x: Tensor,
  normalizedShape: readonly number[],
  parameters: Readonly<Record<string, Tensor | null>>,
): void {
  const numDims = normalizedShape.length;
  const given: Record<string, Tensor> = { x };
  let fits = numDims > 0 && sameShape(x.shape.slice(-numDims), normalizedShape);
  for (const [parameter, tensor] of Object.entries(parameters)) {
    if (tensor === null) continue;
    given[parameter] = tensor;
    fits &&= sameShape(tensor.shape, normalizedShape);
  }
  if (!fits)
    throw shapeMismatch(
      name,
      `the last dimensions of x, and ${Object.keys(parameters).join(" and ")}, must be [${normalizedShape.join(", ")}]`,
      given,
    );
}
