import { Parameter } from "../autograd/parameter.ts";
import type { DType } from "../tensor/dtype.ts";
import * as kernels from "../tensor/kernels/index.ts";
import type { Runtime } from "../tensor/runtime.ts";
import { refusePromise, type SynchronousBody } from "../tensor/scope.ts";
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
 * Runs `body` with the runtime's generator seeded, and restores the generator's state afterwards, also after an error.
 * @throws ArgumentError when `body` is async
 */
export function withSeed<T>(runtime: Runtime, seed: number, body: SynchronousBody<T>): T {
  using state = runtime.randomState();
  try {
    runtime.seed(seed);
    return refusePromise("the body of withSeed", body());
  } finally {
    runtime.setRandomState(state);
  }
}

function emptyParameter(runtime: Runtime, shape: readonly number[], dtype: DType): Parameter {
  return new Parameter(runtime.empty(shape, dtype));
}
