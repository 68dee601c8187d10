import type { DType } from "./dtype.ts";
import { ShapeError } from "./errors.ts";
import type { Tensor } from "./tensor.ts";

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}

/** A dimension counted from the front. @throws ShapeError when the tensor has no such dimension */
export function dimension(name: string, x: Tensor, dim: number, numDims = x.shape.length): number {
  if (!Number.isInteger(dim) || dim < -numDims || dim >= numDims)
    throw shapeMismatch(name, `dimension ${dim} must be one of the ${numDims} dimensions of the tensor`, {
      x,
    });
  return dim < 0 ? dim + numDims : dim;
}

/** An error that names the function, its rule, and the dtype and shape of each argument. */
export function shapeMismatch(
  name: string,
  rule: string,
  given: Readonly<Record<string, Tensor>>,
): ShapeError {
  const list = Object.entries(given).map(([argument, tensor]) => `${argument} ${describe(tensor)}`);
  return new ShapeError(`${name}: ${rule}; got ${list.join(", ")}`);
}

/** Dtype and shape as messages show them: `float32[2, 3]`. */
export function describe({ dtype, shape }: { dtype: DType; shape: readonly number[] }): string {
  return `${dtype}[${shape.join(", ")}]`;
}
