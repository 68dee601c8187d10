import { createHash } from "node:crypto";
import { Parameter } from "../autograd/parameter.ts";
import type { DType } from "../tensor/dtype.ts";
import * as kernels from "../tensor/kernels/index.ts";
import type { Runtime } from "../tensor/runtime.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** A parameter with uniform samples of [-bound, bound), from the runtime's generator. The caller owns it. */
export function uniformParameter(
  runtime: Runtime,
  shape: readonly number[],
  bound: number,
  dtype: DType,
): Parameter {
  const parameter = emptyParameter(runtime, shape, dtype);
  kernels.uniform_(parameter, -bound, bound);
  return parameter;
}

/** A parameter with samples of the standard normal distribution, from the runtime's generator. */
export function normalParameter(runtime: Runtime, shape: readonly number[], dtype: DType): Parameter {
  const parameter = emptyParameter(runtime, shape, dtype);
  fillNormal(parameter, 1);
  return parameter;
}

export function constantParameter(
  runtime: Runtime,
  shape: readonly number[],
  value: number,
  dtype: DType,
): Parameter {
  const parameter = emptyParameter(runtime, shape, dtype);
  fillConstant(parameter, value);
  return parameter;
}

/** Overwrites with samples of a normal distribution around 0, from the runtime's generator. */
export function fillNormal(tensor: Tensor, standardDeviation: number): void {
  kernels.normal_(tensor, 0, standardDeviation);
}

export function fillConstant(tensor: Tensor, value: number): void {
  kernels.fillScalar_(tensor, value);
}

/**
 * A seed of its own for each name: the first 32 bits of SHA-256 of `SEED/NAME`. A parameter that is seeded by its name
 * has the same initial values on every rank, in whatever order a rank makes its parameters.
 */
export function seedFor(seed: number, name: string): number {
  return createHash("sha256").update(`${seed}/${name}`).digest().readUInt32BE(0);
}

/**
 * Runs `body` with the runtime's generator seeded, and restores the generator's state afterwards, also after an error.
 */
export function withSeed<T>(runtime: Runtime, seed: number, body: () => T): T {
  using state = runtime.randomState();
  try {
    runtime.seed(seed);
    return body();
  } finally {
    runtime.setRandomState(state);
  }
}

function emptyParameter(runtime: Runtime, shape: readonly number[], dtype: DType): Parameter {
  return new Parameter(runtime.empty(shape, dtype));
}
