import fc from "fast-check";
import * as ops from "../../../src/autograd/index.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import { broadcastShapes, shapeOf } from "../shapes.ts";
import { ofTensors, type Property, property, shapeAndDim, shapeWithZeros } from "./property.ts";

type Unary = (x: Tensor) => Tensor;
type Binary = (a: Tensor, b: Tensor) => Tensor;
type Options = Pick<Property, "positive" | "range" | "dtypes" | "hasEdges">;

const WIDE = ["float32", "float64", "bfloat16"] as const;
const one = shapeWithZeros(0, 4).map((shape) => [shape]);

const unary = (name: string, f: Unary, options: Options = { dtypes: WIDE }) =>
  ofTensors(name, f, one, options);
const binary = (name: string, f: Binary, options: Options = {}) =>
  ofTensors(name, f as (...inputs: Tensor[]) => Tensor, broadcastShapes(2), options);

/** A function of x and numbers, which LibTorch takes in the same order. */
function withNumbers<N extends (number | null)[]>(
  name: string,
  f: (x: Tensor, ...more: N) => Tensor,
  given: fc.Arbitrary<N>,
  options: Options = { dtypes: WIDE },
): Property {
  return property<readonly [number[], N]>(name, {
    setting: fc.tuple(shapeWithZeros(0, 4), given),
    shapes: ([shape]) => [shape],
    ours: ([x], [, given]) => f(x!, ...given),
    args: ([x], [, given]) => [x!, ...given],
    ...options,
  });
}

const number = (min: number, max: number) => fc.double({ min, max, noNaN: true });

export const ELEMENTWISE: Readonly<Record<string, Property>> = {
  sin: unary("sin", ops.sin),
  cos: unary("cos", ops.cos),
  tan: unary("tan", ops.tan, { range: [-1.2, 1.2] }),
  asin: unary("asin", ops.asin, { range: [-0.9, 0.9] }),
  acos: unary("acos", ops.acos, { range: [-0.9, 0.9] }),
  atan: unary("atan", ops.atan),
  sinh: unary("sinh", ops.sinh),
  cosh: unary("cosh", ops.cosh),
  asinh: unary("asinh", ops.asinh),
  acosh: unary("acosh", ops.acosh, { range: [1.2, 4] }),
  atanh: unary("atanh", ops.atanh, { range: [-0.9, 0.9] }),
  erf: unary("erf", ops.erf),
  erfc: unary("erfc", ops.erfc),
  erfinv: unary("erfinv", ops.erfinv, { range: [-0.9, 0.9] }),
  lgamma: unary("lgamma", ops.lgamma, { range: [0.3, 5] }),
  logit: unary("logit", ops.logit, { range: [0.1, 0.9] }),
  exp2: unary("exp2", ops.exp2),
  expm1: unary("expm1", ops.expm1),
  log1p: unary("log1p", ops.log1p, { positive: true }),
  log2: unary("log2", ops.log2, { positive: true }),
  log10: unary("log10", ops.log10, { positive: true }),
  square: unary("square", ops.square),
  reciprocal: unary("reciprocal", ops.reciprocal, { positive: true }),
  sign: unary("sign", ops.sign, { dtypes: WIDE }),
  floor: unary("floor", ops.floor),
  ceil: unary("ceil", ops.ceil),
  round: unary("round", ops.round),
  trunc: unary("trunc", ops.trunc),
  frac: unary("frac", ops.frac, {}),
  clamp: withNumbers("clamp", ops.clamp, fc.tuple(fc.constantFrom(null, -0.4), fc.constantFrom(0.2, 0.7))),
  nanToNum: withNumbers("nan_to_num", ops.nanToNum, fc.tuple(number(-1, 1)), {}),
  softplus: withNumbers("softplus", ops.softplus, fc.tuple(number(0.5, 2), number(1, 3)), {}),
  leakyRelu: withNumbers("leaky_relu", ops.leakyRelu, fc.tuple(number(0, 1))),
  elu: withNumbers("elu", ops.elu, fc.tuple(number(0.5, 2))),
  celu: withNumbers("celu", ops.celu, fc.tuple(number(0.5, 2)), {}),
  selu: unary("selu", ops.selu),
  hardswish: unary("hardswish", ops.hardswish, { range: [-5, 5] }),
  hardsigmoid: unary("hardsigmoid", ops.hardsigmoid, { range: [-5, 5] }),
  hardtanh: withNumbers("hardtanh", ops.hardtanh, fc.tuple(number(-1, -0.1), number(0.1, 1)), {}),
  hardshrink: withNumbers("hardshrink", ops.hardshrink, fc.tuple(number(0, 1)), {}),
  softshrink: withNumbers("softshrink", ops.softshrink, fc.tuple(number(0, 1)), {}),
  mish: unary("mish", ops.mish, {}),
  relu6: unary("relu6", ops.relu6, { range: [-2, 8] }),
  logSigmoid: unary("log_sigmoid", ops.logSigmoid, {}),
  glu: property("glu", {
    setting: shapeAndDim(shapeOf(1, 3)),
    shapes: ({ shape, dim }) => [shape.with(dim, 2 * shape.at(dim)!)],
    ours: ([x], { dim }) => ops.glu(x!, dim),
    args: ([x], { dim }) => [x!, dim],
  }),
  prelu: ofTensors(
    "prelu",
    ops.prelu as (...inputs: Tensor[]) => Tensor,
    fc.tuple(shapeOf(2, 4), fc.boolean()).map(([shape, isShared]) => [shape, [isShared ? 1 : shape[1]!]]),
  ),
  minimum: binary("minimum", ops.minimum),
  atan2: binary("atan2", ops.atan2, { positive: true }),
  hypot: binary("hypot", ops.hypot, { positive: true }),
  logaddexp: binary("logaddexp", ops.logaddexp),
  xlogy: binary("xlogy.Tensor", ops.xlogy, { positive: true }),
  remainder: binary("remainder.Tensor", ops.remainder, { positive: true, hasEdges: true }),
  fmod: binary("fmod.Tensor", ops.fmod, { positive: true, hasEdges: true }),
  lerp: ofTensors("lerp.Tensor", ops.lerp as (...inputs: Tensor[]) => Tensor, broadcastShapes(3)),
  "lerp by a number": property("lerp.Scalar", {
    setting: fc.record({ shapes: broadcastShapes(2), weight: number(-1, 2) }),
    shapes: ({ shapes }) => shapes,
    ours: ([a, b], { weight }) => ops.lerp(a!, b!, weight),
    args: ([a, b], { weight }) => [a!, b!, weight],
  }),
  ...Object.fromEntries(
    Object.entries({ addcmul: ops.addcmul, addcdiv: ops.addcdiv }).map(([name, f]) => [
      name,
      property(name, {
        setting: fc.record({ shapes: broadcastShapes(3), value: number(-2, 2) }),
        shapes: ({ shapes }) => shapes,
        ours: ([x, a, b], { value }) => f(x!, a!, b!, value),
        args: ([x, a, b], { value }) => [x!, a!, b!, value],
        positive: true,
      }),
    ]),
  ),
};
