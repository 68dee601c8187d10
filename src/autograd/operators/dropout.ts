import * as kernels from "../../tensor/kernels/index.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { AutogradError } from "../autograd-error.ts";
import { record } from "../record.ts";

/**
 * Sets elements to 0 with this probability, by the runtime's own generator, and divides the others by what is left.
 * Srivastava et al., 2014.
 * @throws AutogradError when the probability is not in [0, 1)
 */
export function dropout(x: Tensor, probability: number): Tensor {
  if (!(probability >= 0 && probability < 1))
    throw new AutogradError(
      "INVALID_PROBABILITY",
      `dropout: the probability must be in [0, 1); got ${probability}`,
    );
  if (probability === 0) return x;
  const kept = 1 - probability;
  const mask = kernels.emptyLike(x, "bool");
  kernels.bernoulli_(mask, kept);
  const y = kernels.applyDropoutMask(x, mask, 1 / kept);
  return record("dropout", { x }, y, { mask }, (dy, { mask }) => ({
    x: kernels.applyDropoutMask(dy, mask, 1 / kept),
  }));
}
