import fc from "fast-check";
import * as ops from "../../../src/autograd/index.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import { numbers, type Property, property, seed, small } from "./property.ts";

/** An input [N, C, ...spatial], with weights or without. */
const input = fc.record({
  n: fc.integer({ min: 2, max: 3 }),
  channels: small,
  spatial: fc.array(fc.integer({ min: 2, max: 3 }), { minLength: 1, maxLength: 2 }),
  hasWeights: fc.boolean(),
  seed,
});
type Input = typeof input extends fc.Arbitrary<infer T> ? T : never;

const shapes = ({ n, channels, spatial }: Input) => [[n, channels, ...spatial], [channels], [channels]];
const weights = ([, weight, bias]: readonly Tensor[], { hasWeights }: Input) =>
  (hasWeights ? [weight!, bias!] : [null, null]) as [Tensor | null, Tensor | null];
/** Means, and variances of at least 1/2. */
const running = (x: Tensor, { channels, seed }: Input) => {
  const [mean, variance] = [numbers([channels], seed), numbers([channels], seed + 1).map((v) => v + 0.5)];
  return {
    mean: x.runtime.tensor(mean, [channels], x.dtype),
    variance: x.runtime.tensor(variance, [channels], x.dtype),
  };
};

export const NORMALIZATIONS: Readonly<Record<string, Property>> = {
  batchNorm: property("batch_norm", {
    setting: input,
    shapes,
    ours: (inputs, of) => ops.batchNorm(inputs[0]!, ...weights(inputs, of), null, true, { eps: 1e-3 }),
    args: (inputs, of) => [inputs[0]!, ...weights(inputs, of), null, null, true, 0.1, 1e-3, false],
  }),
  "batchNorm of running statistics": property("batch_norm", {
    setting: fc.record({ of: input, isTraining: fc.boolean() }),
    shapes: ({ of }) => shapes(of),
    ours: (inputs, { of, isTraining }) =>
      ops.batchNorm(inputs[0]!, ...weights(inputs, of), running(inputs[0]!, of), isTraining),
    args: (inputs, { of, isTraining }) => {
      const { mean, variance } = running(inputs[0]!, of);
      return [inputs[0]!, ...weights(inputs, of), mean, variance, isTraining, 0.1, 1e-5, false];
    },
  }),
  groupNorm: property("group_norm", {
    setting: input.map((of) => ({ ...of, channels: 2 * of.channels })),
    shapes,
    ours: (inputs, of) => ops.groupNorm(inputs[0]!, 2, ...weights(inputs, of), 1e-3),
    args: (inputs, of) => [inputs[0]!, 2, ...weights(inputs, of), 1e-3, false],
  }),
  instanceNorm: property("instance_norm", {
    setting: input,
    shapes,
    ours: (inputs, of) => ops.instanceNorm(inputs[0]!, ...weights(inputs, of), 1e-3),
    args: (inputs, of) => [inputs[0]!, ...weights(inputs, of), null, null, true, 0, 1e-3, false],
  }),
};
