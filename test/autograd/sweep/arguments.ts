/**
 * Arguments for any operator, made from its schema alone.
 *
 * A schema says that an argument is a tensor, but not of what shape. So there is a list of patterns, from equal shapes
 * to matrices and images, and each is tried until LibTorch takes one. Names say more: a `mask` is bool, an `index` is
 * int64, a `dim` is 0, and a `kernel_size` has as many numbers as the operator's own name has dimensions. Elements are
 * between 0 and 1, where nearly every function is defined and smooth, or between 1 and 2; square matrices are symmetric
 * and positive definite. Operators with rules of their own have recipes (recipes.ts).
 */
import type { NativeSchema, NativeSchemaArgument } from "../../../src/native/addon.ts";
import type { Argument } from "../../../src/tensor/calls/native-arguments.ts";
import { type DType, dtypeCode } from "../../../src/tensor/dtype.ts";
import type { Runtime } from "../../../src/tensor/runtime.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";

/** Shapes for the tensors of a call. */
interface Pattern {
  /** Shapes of the tensors in order; the last is that of all others. */
  readonly shapes: readonly (readonly number[])[];
  readonly indexShape: readonly number[];
  /** Elements are at least this, and at most 0.8 more. */
  readonly low: number;
  /** Takes a dtype from the name of an argument. */
  readonly usesNames: boolean;
  /** Gives arguments that have a default, or may be absent. */
  readonly givesOptional: boolean;
}

const SHAPES: readonly (readonly [shapes: readonly (readonly number[])[], indexShape: readonly number[]])[] =
  [
    [[[4, 4]], [4]],
    [[[3, 4]], [3, 4]],
    [[[4]], [4]],
    [[[4, 4, 4]], [4]],
    [[[2, 4, 4, 4]], [4]],
    [[[2, 4, 4, 4, 4]], [4]],
    [[[4], [4, 4], [4]], [4]],
    [[[4, 4], [4]], [4]],
    [
      [
        [4, 4],
        [4, 4, 4],
      ],
      [4],
    ],
    [
      [[2, 4, 4, 4], [4]],
      [2, 4, 4],
    ],
    [[[3, 3]], [3]],
    [[[]], []],
  ];

/** The patterns in the order in which they are tried. */
function* patterns(): Generator<Pattern> {
  for (const low of [0.1, 1.1])
    for (const givesOptional of [false, true])
      for (const usesNames of [true, false])
        for (const [shapes, indexShape] of SHAPES)
          yield { shapes, indexShape, low, usesNames, givesOptional };
}

/** Arguments to try an operator with, by the rules; none when a type is among them that no argument is made of. */
export function* argumentsByRules(runtime: Runtime, schema: NativeSchema): Generator<Argument[]> {
  for (const pattern of patterns()) {
    const args = new Rules(runtime, schema, pattern).arguments();
    if (args === undefined) return;
    yield args;
  }
}

/** Elements from `low` to `low + 0.8`; a square matrix is symmetric, and its diagonal is 2 more. */
export function elements(runtime: Runtime, shape: readonly number[], low: number): Tensor {
  const size = shape.reduce((product, each) => product * each, 1);
  const random = runtime.rand([size], "float64").toArray();
  const values = random.map((x) => low + 0.8 * x);
  const [rows, columns] = shape.slice(-2);
  if (shape.length >= 2 && rows === columns) {
    for (let i = 0; i < size; i++) {
      const [row, column] = [Math.floor((i % (rows! * rows!)) / rows!), i % rows!];
      if (row === column) values[i]! += 2;
      else if (row > column) values[i] = values[i - row * rows! - column + column * rows! + row]!;
    }
  }
  return runtime.tensor(values, shape, "float64");
}

const INDEX =
  /^(index|.*indices|target|targets|offsets|.*pivots|batch_sizes|.*lengths|repeats|n|source|dst|shape)$/i;
const MASK = /^(mask|condition|is_target|found_inf)$/;

/** The numbers that an argument of this name is tried with. */
const INTS: Readonly<Record<string, number>> = {
  dim1: 1,
  axis1: 1,
  destination: 1,
  reduction: 1,
  groups: 1,
  dim2: 2,
  length: 2,
  sections: 2,
  split_size: 2,
  chunks: 2,
  k: 1,
  n: 2,
  N: 2,
  C: 4,
  HxW: 16,
  group: 2,
  num_groups: 2,
  upscale_factor: 2,
  downscale_factor: 2,
  size: 2,
  step: 1,
  end: 2,
  bins: 3,
  sparse_dim: 1,
  repeats: 2,
  quant_max: 127,
  quant_min: -128,
  dtype: dtypeCode("float64"),
  input_dtype: dtypeCode("float64"),
  n_fft: 4,
};

class Rules {
  readonly #runtime: Runtime;
  readonly #schema: NativeSchema;
  readonly #pattern: Pattern;
  /** Spatial dimensions, by the operator's name; otherwise those of the pattern's first tensor without two. */
  readonly #numSpatial: number;
  #numTensors = 0;

  constructor(runtime: Runtime, schema: NativeSchema, pattern: Pattern) {
    this.#runtime = runtime;
    this.#schema = schema;
    this.#pattern = pattern;
    this.#numSpatial = Number(/([123])d/.exec(schema.name)?.[1] ?? Math.max(1, this.#first.length - 2));
  }

  /** Undefined when an argument's type is none that JavaScript can pass. */
  arguments(): Argument[] | undefined {
    const args: Argument[] = [];
    for (const argument of this.#schema.arguments) {
      const value = this.#value(argument);
      if (value === UNKNOWN) return undefined;
      args.push(value);
    }
    return args;
  }

  get #first(): readonly number[] {
    return this.#pattern.shapes[0]!;
  }

  #value({ name, type, hasDefault }: NativeSchemaArgument): Argument | typeof UNKNOWN {
    const isOptional = type.endsWith("?");
    if (type.startsWith("Generator")) return undefined;
    if (hasDefault && !(this.#pattern.givesOptional && /^Tensor/.test(type))) return undefined;
    if (isOptional && !this.#pattern.givesOptional) return null;
    switch (isOptional ? type.slice(0, -1) : type) {
      case "Tensor":
        return this.#tensor(name);
      case "Tensor[]":
        return [this.#tensor(name), this.#tensor(name)];
      case "Tensor?[]":
        return [this.#indices(this.#pattern.indexShape)];
      case "int":
        return isOptional && /dtype|layout|memory_format/.test(name) ? null : (INTS[name] ?? 0);
      case "int[]":
        return this.#ints(name);
      case "float":
        return /eps/.test(name) ? 1e-5 : 0.5;
      case "float[]":
        return new Array<number>(this.#numSpatial).fill(2);
      case "Scalar":
        return 0.5;
      case "Scalar[]":
        return [0.5, 0.25];
      case "bool":
        return this.#pattern.givesOptional;
      case "bool[]":
        return [true, true, true];
      case "str":
        return STRINGS[name] ?? "mean";
      case "Device":
        return isOptional ? null : "cpu";
      default:
        return isOptional ? null : UNKNOWN;
    }
  }

  #tensor(name: string): Tensor {
    const { shapes, indexShape, low, usesNames } = this.#pattern;
    if (usesNames && INDEX.test(name)) return this.#indices(indexShape);
    const shape = shapes[Math.min(this.#numTensors++, shapes.length - 1)]!;
    const isMask = usesNames && MASK.test(name);
    const values = elements(this.#runtime, shape, low);
    return isMask ? cast(values, "bool") : values;
  }

  /** 1, 0, 1, 0, ... as int64. */
  #indices(shape: readonly number[]): Tensor {
    const size = shape.reduce((product, each) => product * each, 1);
    const numbers = Array.from({ length: size }, (_, i) => (i + 1) % 2);
    return this.#runtime.tensor(numbers, shape, "int64");
  }

  #ints(name: string): number[] {
    const first = this.#first;
    const each = (value: number) => new Array<number>(this.#numSpatial).fill(value);
    if (/^(size|sizes|shape|input_sizes?|self_sizes)$/.test(name)) return [...first];
    if (/permute/.test(this.#schema.name) && name === "dims") return [...first.keys()].reverse();
    switch (name) {
      case "kernel_size":
        return each(2);
      case "output_size":
        return each(4);
      case "stride":
        return /pool|conv|col/.test(this.#schema.name) ? each(1) : first.map((_, i) => (i === 0 ? 1 : 4));
      case "dilation":
        return each(1);
      case "padding":
        return /pad/.test(this.#schema.name) ? each(1).flatMap((x) => [x, x]) : each(0);
      case "output_padding":
        return each(0);
      case "pad":
        return [1, 1];
      case "normalized_shape":
        return first.slice(-1);
      case "repeats":
        return first.map(() => 2);
      case "split_sizes":
        return [1, first[0]! - 1];
      case "shifts":
      case "destination":
      case "indices":
        return [1];
      case "dims":
        return /rot90/.test(this.#schema.name) ? [0, 1] : [0];
      case "blocksize":
        return [2, 2];
      default:
        return [0];
    }
  }
}

const UNKNOWN = Symbol("a type that no argument is made of");

const STRINGS: Readonly<Record<string, string>> = {
  padding: "same",
  UPLO: "L",
  ord: "fro",
  indexing: "ij",
  rounding_mode: "floor",
  reduce: "mean",
};

function cast(x: Tensor, dtype: DType): Tensor {
  const { runtime } = x;
  const numbers = x.toArray().map((value) => (value % 0.2 < 0.1 ? 1 : 0));
  return runtime.tensor(numbers, x.shape, dtype);
}
