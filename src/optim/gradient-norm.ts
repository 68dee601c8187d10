import type { Parameter } from "../autograd/parameter.ts";
import { scaleEach } from "../tensor/kernels/foreach.ts";
import * as kernels from "../tensor/kernels/index.ts";
import type { Tensor } from "../tensor/tensor.ts";

/**
 * The sum of the squares of all gradients; each parameter counts once. Rows are summed in float32 or better, and the
 * sums of rows in float64. Ranks add up their sums, and clip with
 * `scaleGradients(parameters, clipFactor(sum, maxNorm))`.
 */
export function squaredGradNorm(parameters: Iterable<Parameter>): number {
  const gradients = gradientsOf(parameters);
  if (gradients.length === 0) return 0;
  const { runtime } = gradients[0]!;
  return runtime.scope(() => {
    const norms = kernels.cat(gradients.map(norm), 0).toArray();
    return norms.reduce((sum, norm) => sum + norm * norm, 0);
  });
}

/**
 * The factor that makes the norm of the gradients at most `maxNorm`, at most 1; the formula of PyTorch's
 * `clip_grad_norm_`.
 *
 * @example
 * // The stages of a model that has each parameter on one rank, as with a schedule of one direction.
 * const squares = allGatherNumbers(processGroup, [squaredGradNorm(model.parameters())]);
 * const squaredNorm = squares.reduce((sum, [square = 0]) => sum + square, 0);
 * scaleGradients(model.parameters(), clipFactor(squaredNorm, 1));
 */
export function clipFactor(squaredNorm: number, maxNorm: number): number {
  return Math.min(1, maxNorm / (Math.sqrt(squaredNorm) + 1e-6));
}

/** Multiplies every gradient in place; each parameter counts once. */
export function scaleGradients(parameters: Iterable<Parameter>, factor: number): void {
  if (factor !== 1) scaleEach(gradientsOf(parameters), factor);
}

function gradientsOf(parameters: Iterable<Parameter>): Tensor[] {
  return [...new Set(parameters)].map(({ grad }) => grad).filter((grad) => grad !== null);
}

/**
 * The norm as a float64 [1]. Summing 4 million float32 numbers at once is off by 1.6e-4, by rows of 1,024 by 2e-9,
 * and a float64 copy would take 25 times as long.
 */
function norm(gradient: Tensor): Tensor {
  const { dtype, shape } = gradient;
  const accumulator = dtype === "float64" ? "float64" : "float32";
  const rows = shape.length < 2 ? gradient : kernels.vectorNorm(gradient, [-1], accumulator);
  return kernels.reshape(kernels.vectorNorm(rows, null, "float64"), [1]);
}
