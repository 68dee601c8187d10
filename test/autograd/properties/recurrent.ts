import fc from "fast-check";
import * as ops from "../../../src/autograd/index.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import { type Property, property, small } from "./property.ts";

const input = fc.record({
  numSteps: small,
  numSequences: small,
  inputSize: small,
  hiddenSize: small,
  hasBiases: fc.boolean(),
  bidirectional: fc.boolean(),
});
type Input = typeof input extends fc.Arbitrary<infer T> ? T : never;

/** The input, the states before the first step, and the weights of each direction. */
function shapesOf(numGates: number, numStates: number) {
  return ({ numSteps, numSequences, inputSize, hiddenSize, hasBiases, bidirectional }: Input) => {
    const rows = numGates * hiddenSize;
    const weights = [[rows, inputSize], [rows, hiddenSize], ...(hasBiases ? [[rows], [rows]] : [])];
    const directions = bidirectional ? 2 : 1;
    const states = Array(numStates).fill([directions, numSequences, hiddenSize]);
    return [[numSteps, numSequences, inputSize], ...states, ...Array(directions).fill(weights).flat()];
  };
}

const weightsOf = (tensors: readonly Tensor[], { hasBiases, bidirectional }: Input) => ({
  tensors,
  hasBiases,
  bidirectional,
});

/** One layer without dropout, time first. */
const settingsOf = ({ hasBiases, bidirectional }: Input) =>
  [hasBiases, 1, 0, false, bidirectional, false] as const;

function ofOneState(
  name: string,
  numGates: number,
  ours: (x: Tensor, state: Tensor, weights: ReturnType<typeof weightsOf>) => readonly Tensor[],
  hasEdges = false,
): Property {
  return property(`${name}.input`, {
    setting: input,
    shapes: shapesOf(numGates, 1),
    ours: ([x, state, ...weights], of) => ours(x!, state!, weightsOf(weights, of)),
    args: ([x, state, ...weights], of) => [x!, state!, weights, ...settingsOf(of)],
    hasEdges,
  });
}

export const RECURRENT: Readonly<Record<string, Property>> = {
  rnn: ofOneState("rnn_tanh", 1, (x, state, weights) => ops.rnn(x, state, weights, "tanh")),
  "rnn with relu": ofOneState("rnn_relu", 1, (x, state, weights) => ops.rnn(x, state, weights, "relu"), true),
  gru: ofOneState("gru", 3, ops.gru),
  lstm: property("lstm.input", {
    setting: input,
    shapes: shapesOf(4, 2),
    ours: ([x, hidden, cell, ...weights], of) => ops.lstm(x!, [hidden!, cell!], weightsOf(weights, of)),
    args: ([x, hidden, cell, ...weights], of) => [x!, [hidden!, cell!], weights, ...settingsOf(of)],
  }),
};
