import fc from "fast-check";
import { expect } from "vitest";
import { Backward, rootOf, variable } from "../../src/autograd/index.ts";
import type { Runtime } from "../../src/tensor/runtime.ts";
import { finish } from "../../src/tensor/suspension.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { asList, type GradientCase, sample } from "./gradient-case.ts";

/** Compares the gradient of every input, in float64, with the slope along a random direction. */
export function checkFiniteDifferences<S>(
  runtime: Runtime,
  gradientCase: GradientCase<S>,
  options: { readonly numRuns?: number; readonly seed?: number } = {},
): void {
  fc.assert(
    fc.property(gradientCase.setting, fc.integer({ min: 0, max: 2 ** 31 }), (setting, seed) => {
      runtime.seed(seed);
      runtime.scope(() => {
        const values = gradientCase
          .shapes(setting)
          .map((shape) => sample(runtime, shape, "float64", gradientCase));
        const leaves = values.map((value) => variable(value));
        const outputs = asList(gradientCase.ours(values, setting));
        const weights = outputs.map((output) => runtime.randn(output.shape, "float64"));
        const roots = outputs.map((output, i) => ({ root: rootOf(output), weight: weights[i]! }));
        const used = roots.filter(({ root }) => root !== null);
        const walk = new Backward(used.map(({ root }) => root!));
        finish(walk.backward(used.map(({ weight }) => weight)));
        walk.end();
        values.forEach((_, i) => {
          const slope = slopeAlong(runtime, gradientCase, setting, values, weights, i);
          const gradient = leaves[i]!.grad?.toArray() ?? [];
          const along = gradient.reduce((total, g, j) => total + g * slope.direction[j]!, 0);
          expect(Math.abs(along - slope.value)).toBeLessThanOrEqual(1e-6 * Math.max(1, slope.size));
          leaves[i]!.grad?.dispose();
        });
      });
    }),
    { numRuns: 10, ...options },
  );
}

function slopeAlong<S>(
  runtime: Runtime,
  gradientCase: GradientCase<S>,
  setting: S,
  values: readonly Tensor[],
  weights: readonly Tensor[],
  input: number,
): { value: number; direction: number[]; size: number } {
  const step = 1e-6;
  const value = values[input]!;
  const base = value.toArray();
  const direction = runtime.randn(value.shape, "float64").toArray();
  const weightElements = weights.map((weight) => weight.toArray());
  const lossAt = (distance: number) => {
    const moved = runtime.tensor(
      base.map((x, j) => x + distance * direction[j]!),
      value.shape,
      "float64",
    );
    const outputs = asList(gradientCase.ours(values.with(input, moved), setting));
    return outputs.reduce(
      (total, output, i) =>
        total + output.toArray().reduce((sum, y, j) => sum + y * weightElements[i]![j]!, 0),
      0,
    );
  };
  const [ahead, behind] = [lossAt(step), lossAt(-step)];
  const slope = (ahead - behind) / (2 * step);
  return { value: slope, direction, size: Math.max(Math.abs(slope), Math.abs(ahead)) };
}
