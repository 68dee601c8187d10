/** How properties are written: a typed function, and LibTorch's operator with the arguments that it should pass. */
import fc from "fast-check";
import type { Argument } from "../../../src/tensor/calls/native-arguments.ts";
import { isFloatingPoint } from "../../../src/tensor/dtype.ts";
import { type Operator, operator } from "../../../src/tensor/native-operator.ts";
import type { Runtime } from "../../../src/tensor/runtime.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import type { GradientCase } from "../gradient-case.ts";

/** A function whose result has a gradient. */
export interface Property extends GradientCase<unknown> {
  /** Finite differences would cross an edge of the function too often. */
  readonly hasEdges?: boolean;
}

/** A function whose result has none. */
export interface Fact {
  readonly setting: fc.Arbitrary<unknown>;
  ours(runtime: Runtime, setting: never): Tensor;
  reference(runtime: Runtime, setting: never): Tensor;
}

type Options = Pick<Property, "positive" | "range" | "dtypes" | "hasEdges">;

interface Described<S> extends Options {
  readonly setting: fc.Arbitrary<S>;
  readonly shapes: (setting: S) => readonly (readonly number[])[];
  readonly ours: (inputs: readonly Tensor[], setting: S) => Tensor | readonly Tensor[];
  readonly args: (inputs: readonly Tensor[], setting: S) => readonly Argument[];
}

/** A function that must do what LibTorch's operator does with these arguments. @param name Such as `max.dim` */
export function property<S>(name: string, described: Described<S>): Property {
  const op = named(name);
  const { args, ...rest } = described;
  return {
    name,
    ...rest,
    reference: (inputs, setting) => floatResults(op, args(inputs, setting as S)),
  } as Property;
}

/** A function of tensors alone, of these shapes. */
export function ofTensors(
  name: string,
  ours: (...inputs: Tensor[]) => Tensor,
  shapes: fc.Arbitrary<readonly (readonly number[])[]>,
  options: Options = {},
): Property {
  return property(name, {
    setting: shapes,
    shapes: (each) => each,
    ours: (inputs) => ours(...inputs),
    args: (inputs) => inputs,
    ...options,
  });
}

export function named(name: string): Operator {
  const [base, overload] = name.split(".");
  return operator(`aten::${base}`, overload);
}

/** The results that may have a gradient. */
function floatResults(op: Operator, args: readonly Argument[]): readonly Tensor[] {
  const { runtime } = args.flat().find((each) => typeof each === "object" && each !== null) as Tensor;
  const isMany = MANY.has(`${op.name}${op.overload && `.${op.overload}`}`);
  const results = isMany ? runtime.callMany(op, ...args) : [runtime.call(op, ...args)];
  return results.filter((result): result is Tensor => result !== null && isFloatingPoint(result.dtype));
}

/** Operators that return several results, or a list of them. */
const MANY = new Set(
  [
    ...["max.dim", "min.dim", "median.dim", "cummax", "cummin", "kthvalue", "sort", "topk"],
    ...["unbind.int", "max_pool2d_with_indices"],
  ].map((name) => `aten::${name}`),
);

/** Shapes of `min` to `max` dimensions, of sizes from 0 to 4. */
export function shapeWithZeros(min: number, max: number): fc.Arbitrary<number[]> {
  return fc.array(fc.integer({ min: 0, max: 4 }), { minLength: min, maxLength: max });
}

/** A shape, and one of its dimensions, counted from the front or from the end. */
export function shapeAndDim(shape: fc.Arbitrary<number[]>): fc.Arbitrary<{ shape: number[]; dim: number }> {
  return shape.chain((each) =>
    fc.record({ shape: fc.constant(each), dim: fc.integer({ min: -each.length, max: each.length - 1 }) }),
  );
}

export const small = fc.integer({ min: 1, max: 4 });

/** Whole numbers from 0 to `end - 1`, the same for a seed: not the runtime's, whose numbers the inputs take. */
export function indices(runtime: Runtime, end: number, shape: readonly number[], seed: number): Tensor {
  return runtime.tensor(
    numbers(shape, seed).map((x) => Math.floor(x * end)),
    shape,
    "int64",
  );
}

/** True with this probability. */
export function mask(runtime: Runtime, shape: readonly number[], seed: number, probability = 0.5): Tensor {
  return runtime.tensor(
    numbers(shape, seed).map((x) => (x < probability ? 1 : 0)),
    shape,
    "bool",
  );
}

/** Uniform in [0, 1). */
export function numbers(shape: readonly number[], seed: number): number[] {
  const size = shape.reduce((product, each) => product * each, 1);
  return Array.from(
    { length: size },
    (_, i) => Math.abs(Math.sin(12.9898 * (i + 1) + 78.233 * seed) * 43758.5453) % 1,
  );
}

export const seed = fc.integer({ min: 0, max: 1000 });
