import { type DType, dtypeCode } from "../../tensor/dtype.ts";
import { operator } from "../../tensor/native-operator.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { type Node, record } from "../graph.ts";
import { sameShape, shapeMismatch } from "./shape-mismatch.ts";

const LAYER_NORM = operator("aten::native_layer_norm");
const LAYER_NORM_BACKWARD = operator("aten::native_layer_norm_backward");
const MUL = operator("aten::mul", "Tensor");
const MUL_INPLACE = operator("aten::mul_", "Tensor");
const ADD_INPLACE = operator("aten::add_", "Scalar");
const SUB = operator("aten::sub", "Tensor");
const RSQRT_INPLACE = operator("aten::rsqrt_");
const MEAN = operator("aten::mean", "dim");
const SUM_TO_SIZE = operator("aten::sum_to_size");
const TO_DTYPE = operator("aten::to", "dtype");

/**
 * `(x - mean) / sqrt(variance + eps) * weight + bias`, with mean and variance over the last dimensions, which are those
 * of the normalized shape. Ba, Kiros and Hinton, 2016.
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
  const { runtime } = x;
  checkNormalizedShape("layerNorm", x, normalizedShape, { weight, bias });
  const [y, mean, rstd] = runtime.callMany(LAYER_NORM, x, normalizedShape, weight, bias, eps) as [
    Tensor,
    Tensor,
    Tensor,
  ];
  record(
    "layerNorm",
    [x, weight, bias],
    [y],
    [
      [x, 0, 1, 2],
      [mean, 0, 1, 2],
      [rstd, 0, 1, 2],
      ...(weight === null ? [] : ([[weight, 0, 1, 2]] as const)),
      ...(bias === null ? [] : ([[bias, 0, 1, 2]] as const)),
    ],
    (node) =>
      runtime.callMany(
        LAYER_NORM_BACKWARD,
        node.gradient,
        node.saved(0),
        normalizedShape,
        node.saved(1),
        node.saved(2),
        weight === null ? null : node.saved(3),
        bias === null ? null : node.saved(weight === null ? 3 : 4),
        [node.wants(0), node.wants(1), node.wants(2)],
      ),
  );
  return y;
}

/**
 * `x / sqrt(mean(x^2) + eps) * weight`, with the mean over the last dimensions, which are those of the normalized shape;
 * bfloat16 and float16 are computed in float32. Zhang and Sennrich, 2019.
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
  checkNormalizedShape("rmsNorm", x, normalizedShape, { weight });
  return runtime.scope(() => {
    const wide = widen(x);
    const rstd = runtime.call(MEAN, runtime.call(MUL, wide, wide), lastDims(normalizedShape), true);
    runtime.callInPlace(ADD_INPLACE, rstd, eps);
    runtime.callInPlace(RSQRT_INPLACE, rstd);
    const normalized = runtime.call(MUL, wide, rstd);
    if (weight !== null) runtime.callInPlace(MUL_INPLACE, normalized, weight);
    const y = narrowTo(dtype, normalized);
    record(
      "rmsNorm",
      [x, weight],
      [y],
      [[x, 0, 1], [rstd, 0, 1], ...(weight === null ? [] : ([[weight, 0]] as const))],
      (node) => rmsNormBackward(node, normalizedShape, weight !== null, weight?.dtype ?? dtype),
    );
    return y;
  });
}

/** With n = x rstd and g the gradient of n: that of x is rstd (g - n mean(g n)). */
function rmsNormBackward(
  node: Node,
  normalizedShape: readonly number[],
  hasWeight: boolean,
  weightDtype: DType,
): (Tensor | null)[] {
  const { runtime, gradient } = node;
  const wideGradient = widen(gradient);
  const rstd = node.saved(1);
  const normalized = runtime.call(MUL, widen(node.saved(0)), rstd);
  let inputGrad: Tensor | null = null;
  let weightGrad: Tensor | null = null;
  if (node.wants(1)) {
    const products = runtime.call(MUL, wideGradient, normalized);
    weightGrad = narrowTo(weightDtype, runtime.call(SUM_TO_SIZE, products, normalizedShape));
  }
  if (node.wants(0)) {
    const scaled = hasWeight ? runtime.call(MUL, wideGradient, node.saved(2)) : wideGradient;
    const products = runtime.call(MUL, scaled, normalized);
    runtime.callInPlace(
      MUL_INPLACE,
      normalized,
      runtime.call(MEAN, products, lastDims(normalizedShape), true),
    );
    const sum = runtime.call(SUB, scaled, normalized);
    runtime.callInPlace(MUL_INPLACE, sum, rstd);
    inputGrad = narrowTo(gradient.dtype, sum);
  }
  return [inputGrad, weightGrad];
}

function widen(x: Tensor): Tensor {
  return x.dtype === "bfloat16" || x.dtype === "float16"
    ? x.runtime.call(TO_DTYPE, x, dtypeCode("float32"))
    : x;
}

function narrowTo(dtype: DType, x: Tensor): Tensor {
  return x.dtype === dtype ? x : x.runtime.call(TO_DTYPE, x, dtypeCode(dtype));
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
