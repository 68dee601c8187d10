import { describeValue } from "../argument.ts";
import { ArgumentError, ShapeError } from "../errors.ts";

/** Numbers, or arrays of them of any depth; arrays at one depth have one length. */
export type NestedNumbers = number | boolean | ArrayLike<number> | readonly NestedNumbers[];

/**
 * The numbers in row-major order, and the shape of their arrays.
 * @throws ShapeError for arrays of different lengths; ArgumentError for what is no number
 */
export function flatten(numbers: NestedNumbers): {
  readonly elements: Float64Array;
  readonly shape: number[];
} {
  const shape = shapeOf(numbers);
  const elements = new Float64Array(shape.reduce((product, size) => product * size, 1));
  let count = 0;
  const collect = (value: unknown, depth: number): void => {
    if (depth === shape.length) {
      elements[count] = asNumber(value, count);
      count++;
      return;
    }
    const list = listOf(value);
    if (list === undefined || list.length !== shape[depth])
      throw new ShapeError(
        `arrays at one depth must have one length, that of the first, ${shape[depth]}; got ${list === undefined ? describeValue(value) : `one of ${list.length}`} ` +
          `at depth ${depth}, after ${count} numbers; fill it up, or make a tensor of each and pad them`,
      );
    for (let i = 0; i < list.length; i++) collect(list[i], depth + 1);
  };
  collect(numbers, 0);
  return { elements, shape };
}

function shapeOf(numbers: unknown): number[] {
  const shape: number[] = [];
  for (let list = listOf(numbers); list !== undefined; list = listOf(list[0])) shape.push(list.length);
  return shape;
}

function listOf(value: unknown): ArrayLike<unknown> | undefined {
  if (Array.isArray(value)) return value;
  return ArrayBuffer.isView(value) && !(value instanceof DataView)
    ? (value as unknown as ArrayLike<unknown>)
    : undefined;
}

function asNumber(value: unknown, index: number): number {
  if (typeof value === "number") return value;
  if (typeof value === "boolean") return Number(value);
  const advice =
    typeof value === "bigint"
      ? 'keep a BigInt exact with runtime.fromArray(BigInt64Array.of(...), shape, "int64")'
      : "convert it first, or pass a tensor as it is";
  throw new ArgumentError(
    `tensor() takes numbers; got ${describeValue(value)} as element ${index}; ${advice}`,
  );
}
