import { operator } from "../native-operator.ts";
import type { Tensor } from "../tensor.ts";

const BERNOULLI_INPLACE = operator("aten::bernoulli_", "float");
const NORMAL_INPLACE = operator("aten::normal_");
const UNIFORM_INPLACE = operator("aten::uniform_");
const MULTINOMIAL = operator("aten::multinomial");
const DROPOUT_BACKWARD = operator("aten::native_dropout_backward");

/** Sets each element to 1 with this probability, by the runtime's own generator, and to 0 otherwise. */
export function bernoulli_(x: Tensor, probability: number): void {
  x.runtime.kernelInPlace(BERNOULLI_INPLACE, x, probability);
}

/** Samples of a normal distribution, from the runtime's own generator. */
export function normal_(x: Tensor, mean: number, standardDeviation: number): void {
  x.runtime.kernelInPlace(NORMAL_INPLACE, x, mean, standardDeviation);
}

/** Samples of [low, high), from the runtime's own generator. */
export function uniform_(x: Tensor, low: number, high: number): void {
  x.runtime.kernelInPlace(UNIFORM_INPLACE, x, low, high);
}

/** Indices drawn with these probabilities, without replacement, by the runtime's own generator. */
export function multinomial(probabilities: Tensor, numSamples: number): Tensor {
  return probabilities.runtime.kernel(MULTINOMIAL, probabilities, numSamples);
}

/**
 * `x * mask * scale`: dropout with a given mask, and its backward. `aten::native_dropout` would draw the mask
 * from the generator that all threads of the process share.
 */
export function applyDropoutMask(x: Tensor, mask: Tensor, scale: number): Tensor {
  return x.runtime.kernel(DROPOUT_BACKWARD, x, mask, scale);
}
