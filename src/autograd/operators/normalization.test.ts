import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkFiniteDifferences } from "../../../test/autograd/finite-differences.ts";
import type { GradientCase } from "../../../test/autograd/gradient-case.ts";
import { checkAgainstOracle } from "../../../test/autograd/oracle.ts";
import { shapeOf } from "../../../test/autograd/shapes.ts";
import { failOnLeaks } from "../../../test/leak-guard.ts";
import { dtypeCode } from "../../tensor/dtype.ts";
import { ShapeError } from "../../tensor/errors.ts";
import { operator } from "../../tensor/native-operator.ts";
import { Runtime } from "../../tensor/runtime.ts";
import { layerNorm, rmsNorm } from "./normalization.ts";

const runtime = Runtime.load();
failOnLeaks(runtime);

interface Setting {
  readonly batch: readonly number[];
  readonly normalized: readonly number[];
  readonly numParameters: number;
}

const settings: fc.Arbitrary<Setting> = fc.record({
  batch: shapeOf(0, 2),
  // A variance over one element is 0, and the slope of its root there is decided by rounding.
  normalized: fc.array(fc.integer({ min: 2, max: 5 }), { minLength: 1, maxLength: 2 }),
  numParameters: fc.integer({ min: 0, max: 2 }),
});

const MUL = operator("aten::mul", "Tensor");
const TO_DTYPE = operator("aten::to", "dtype");

const cases: GradientCase<Setting>[] = [
  {
    name: "layerNorm",
    setting: settings,
    shapes: ({ batch, normalized, numParameters }) => [
      [...batch, ...normalized],
      ...Array.from({ length: numParameters }, () => normalized),
    ],
    ours: ([x, weight, bias], { normalized }) =>
      layerNorm(x!, normalized, weight ?? null, bias ?? null, 1e-3),
    reference: ([x, weight, bias], { normalized }, call) =>
      call(operator("aten::layer_norm"), x!, normalized, weight ?? null, bias ?? null, 1e-3, false),
    dtypes: ["float32", "float64", "bfloat16"],
  },
  {
    name: "rmsNorm",
    setting: settings,
    shapes: ({ batch, normalized, numParameters }) => [
      [...batch, ...normalized],
      ...(numParameters === 0 ? [] : [normalized]),
    ],
    ours: ([x, weight], { normalized }) => rmsNorm(x!, normalized, weight ?? null, 1e-3),
    reference: ([x, weight], { normalized }, call) => {
      const wide = dtypeCode(x!.dtype === "float64" ? "float64" : "float32");
      const input = call(TO_DTYPE, x!, wide);
      const dims = normalized.map((_, i) => -1 - i);
      const meanSquare = call(operator("aten::mean", "dim"), call(MUL, input, input), dims, true);
      const rstd = call(operator("aten::rsqrt"), call(operator("aten::add", "Scalar"), meanSquare, 1e-3));
      const product = call(MUL, input, rstd);
      const y = weight === undefined ? product : call(MUL, product, call(TO_DTYPE, weight, wide));
      return call(TO_DTYPE, y, dtypeCode(x!.dtype));
    },
    dtypes: ["float32", "float64", "bfloat16"],
  },
];

describe.each(cases)("$name", (gradientCase) => {
  test("has LibTorch's gradients, whole and split", () => checkAgainstOracle(runtime, gradientCase, 80));
  test("has the gradients of finite differences", () => checkFiniteDifferences(runtime, gradientCase));
});

test("a weight of another shape is an error that names the function and the shapes", () => {
  runtime.scope(() => {
    const x = runtime.ones([2, 3]);
    expect(() => layerNorm(x, [3], runtime.ones([2]))).toThrow(ShapeError);
    expect(() => layerNorm(x, [3], runtime.ones([2]))).toThrow(
      /layerNorm: .* must be \[3\]; got x float32\[2, 3\], weight float32\[2\]/,
    );
    expect(() => rmsNorm(x, [2])).toThrow(/rmsNorm: .* must be \[2\]; got x float32\[2, 3\]/);
  });
});
