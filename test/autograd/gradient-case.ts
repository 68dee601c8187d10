import type fc from "fast-check";
import { expect } from "vitest";
import type { Argument } from "../../src/tensor/calls/native-arguments.ts";
import type { DType } from "../../src/tensor/dtype.ts";
import { type Operator, operator } from "../../src/tensor/native-operator.ts";
import type { Runtime } from "../../src/tensor/runtime.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

const ABS = operator("aten::abs");
const SCALE = operator("aten::mul", "Scalar");
const ADD_NUMBER = operator("aten::add", "Scalar");

/** One differentiable function, and what LibTorch computes the same with. */
export interface GradientCase<S> {
  readonly name: string;
  /** All that is random but the elements. */
  readonly setting: fc.Arbitrary<S>;
  /** Shapes of the inputs that may have a gradient. */
  shapes(setting: S): readonly (readonly number[])[];
  ours(inputs: readonly Tensor[], setting: S): Tensor | readonly Tensor[];
  reference(inputs: readonly Tensor[], setting: S, call: Call): Tensor | readonly Tensor[];
  /** Elements of at least 1/2, for functions with a pole or a root at 0. */
  readonly positive?: boolean;
  /** Uniform elements of this range instead. */
  readonly range?: readonly [low: number, high: number];
  readonly dtypes?: readonly DType[];
}

export type Call = (op: Operator, ...args: Argument[]) => Tensor;

/** Random elements of a normal distribution; at least 1/2 if they are to be positive, or uniform in a range. */
export function sample(
  runtime: Runtime,
  shape: readonly number[],
  dtype: DType,
  { positive = false, range }: Pick<GradientCase<never>, "positive" | "range">,
): Tensor {
  if (range !== undefined) {
    const [low, high] = range;
    return runtime.call(ADD_NUMBER, runtime.call(SCALE, runtime.rand(shape, dtype), high - low), low);
  }
  const normal = runtime.randn(shape, dtype);
  return positive ? runtime.call(ADD_NUMBER, runtime.call(ABS, normal), 0.5) : normal;
}

export function asList(value: Tensor | readonly Tensor[]): readonly Tensor[] {
  return Array.isArray(value) ? (value as readonly Tensor[]) : [value as Tensor];
}

export function expectClose(
  tensor: Tensor,
  expected: readonly number[],
  tolerance: number,
  what: string,
): void {
  expectElementsClose(tensor.toArray(), expected, tolerance, what);
}

export function expectElementsClose(
  actual: readonly number[],
  expected: readonly number[],
  tolerance: number,
  what: string,
): void {
  expect(actual.length, what).toBe(expected.length);
  const largest = expected.reduce((max, x) => Math.max(max, Math.abs(x)), 1);
  actual.forEach((x, i) => {
    const error = Math.abs(x - expected[i]!);
    if (!(error <= tolerance * largest) && !Object.is(x, expected[i]))
      expect.fail(`${what}, element ${i}: ${x} instead of ${expected[i]} (largest ${largest})`);
  });
}
