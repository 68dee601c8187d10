import fc from "fast-check";
import * as ops from "../../../src/autograd/index.ts";
import type { Runtime } from "../../../src/tensor/runtime.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import { broadcastShapes, shapeOf } from "../shapes.ts";
import { type Fact, indices, named, seed, shapeAndDim, shapeWithZeros } from "./property.ts";

/** Whole numbers from 0 to 2, so that many are equal. */
const whole = (runtime: Runtime, shape: readonly number[], seed: number) =>
  ops.cast(indices(runtime, 3, shape, seed), "float64");

const two = fc.record({ shapes: broadcastShapes(2), seed });
type Two = typeof two extends fc.Arbitrary<infer T> ? T : never;
const pair = (runtime: Runtime, { shapes: [a, b], seed }: Two) =>
  [whole(runtime, a!, seed), whole(runtime, b!, seed + 1)] as const;

const ofTwo = (name: string, f: (a: Tensor, b: Tensor) => Tensor): Fact => ({
  setting: two,
  ours: (runtime, setting: Two) => f(...pair(runtime, setting)),
  reference: (runtime, setting: Two) => runtime.call(named(name), ...pair(runtime, setting)),
});

const one = fc.record({ shape: shapeWithZeros(0, 3), seed });
type One = typeof one extends fc.Arbitrary<infer T> ? T : never;
/** With zeros, infinities and what is no number. */
const odd = (runtime: Runtime, { shape, seed }: One) => {
  const zero = runtime.zeros(shape, "float64");
  return ops.div(ops.sub(whole(runtime, shape, seed), 1), ops.add(zero, whole(runtime, shape, seed + 1)));
};
const ofOne = (name: string, f: (x: Tensor) => Tensor): Fact => ({
  setting: one,
  ours: (runtime, setting: One) => f(odd(runtime, setting)),
  reference: (runtime, setting: One) => runtime.call(named(name), odd(runtime, setting)),
});

const place = fc.record({
  at: shapeAndDim(shapeOf(1, 3)),
  seed,
  isFlat: fc.boolean(),
  keepDims: fc.boolean(),
});
type Place = typeof place extends fc.Arbitrary<infer T> ? T : never;
const extreme = (name: string, f: typeof ops.argmax): Fact => ({
  setting: place,
  ours: (runtime, { at, seed, isFlat, keepDims }: Place) =>
    f(whole(runtime, at.shape, seed), isFlat ? null : at.dim, keepDims),
  reference: (runtime, { at, seed, isFlat, keepDims }: Place) =>
    runtime.call(named(name), whole(runtime, at.shape, seed), isFlat ? null : at.dim, keepDims),
});

export const FACTS: Readonly<Record<string, Fact>> = {
  eq: ofTwo("eq.Tensor", ops.eq),
  ne: ofTwo("ne.Tensor", ops.ne),
  lt: ofTwo("lt.Tensor", ops.lt),
  le: ofTwo("le.Tensor", ops.le),
  gt: ofTwo("gt.Tensor", ops.gt),
  ge: ofTwo("ge.Tensor", ops.ge),
  logicalAnd: ofTwo("logical_and", ops.logicalAnd),
  logicalOr: ofTwo("logical_or", ops.logicalOr),
  logicalNot: ofOne("logical_not", ops.logicalNot),
  isnan: ofOne("isnan", ops.isnan),
  isfinite: ofOne("isfinite", ops.isfinite),
  all: ofOne("all", ops.all),
  any: ofOne("any", ops.any),
  argmax: extreme("argmax", ops.argmax),
  argmin: extreme("argmin", ops.argmin),
  oneHot: {
    setting: one,
    ours: (runtime, { shape, seed }: One) => ops.oneHot(indices(runtime, 4, shape, seed), 4),
    reference: (runtime, { shape, seed }: One) =>
      runtime.call(named("one_hot"), indices(runtime, 4, shape, seed), 4),
  },
};
