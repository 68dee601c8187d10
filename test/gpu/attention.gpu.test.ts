// The fused attention of cards, in bfloat16, compared with the formulas in float32.
import { expect, test } from "vitest";
import { backward } from "../../src/autograd/backward.ts";
import { scaledDotProductAttention } from "../../src/autograd/operators/attention/attention.ts";
import { Parameter } from "../../src/autograd/parameter.ts";
import type { DType } from "../../src/tensor/dtype.ts";
import * as kernels from "../../src/tensor/kernels/index.ts";
import { Runtime } from "../../src/tensor/runtime.ts";
import { cosineDifference } from "../ranks/sequential.ts";

const runtime = Runtime.load({ device: "cuda" });
const SHAPE = [2, 3, 40, 16];
/** bfloat16 has 8 bits: products of such numbers are off by 0.4 % each. */
const COSINE_TOLERANCE = 1e-4;

/** The result and the gradients of q, k and v for the same numbers, rounded to bfloat16. */
function attend(dtype: DType, causal: boolean): number[][] {
  runtime.seed(1);
  return runtime.scope(() => {
    const sample = () => kernels.toDtype(kernels.toDtype(runtime.randn(SHAPE), "bfloat16"), dtype);
    const inputs = [0, 1, 2].map(() => new Parameter(sample()));
    const [q, k, v] = inputs as [Parameter, Parameter, Parameter];
    expect(kernels.hasFlashAttention(q)).toBe(dtype === "bfloat16");
    const y = scaledDotProductAttention(q, k, v, { causal });
    backward(y, sample());
    const results = [y, ...inputs.map(({ grad }) => grad!)].map((tensor) => tensor.toArray());
    for (const input of inputs) input.dispose();
    return results;
  });
}

test.each([false, true])(
  "fused attention and its gradients are those of the formulas, causal: %s",
  (causal) => {
    const [fused, composed] = [attend("bfloat16", causal), attend("float32", causal)];
    fused.forEach((numbers, i) => {
      expect(Math.abs(cosineDifference(numbers, composed[i]!))).toBeLessThan(COSINE_TOLERANCE);
    });
  },
);
