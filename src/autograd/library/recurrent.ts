import { operator } from "../../tensor/native-operator.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { differentiableMany } from "./differentiable.ts";

const RNN = {
  tanh: operator("aten::rnn_tanh", "input"),
  relu: operator("aten::rnn_relu", "input"),
};
const GRU = operator("aten::gru", "input");
const LSTM = operator("aten::lstm", "input");

/**
 * What one recurrent layer is made of. H is the hidden size, G the number of gates (1, or 3 for a GRU, 4 for an LSTM),
 * and D the number of directions: 1, or 2 for a layer that also runs from the end to the start.
 */
export interface RecurrentWeights {
  /** For each direction [G H, inputSize], [G H, H] and, with biases, [G H] and [G H], in PyTorch's order. */
  readonly tensors: readonly Tensor[];
  readonly hasBiases: boolean;
  readonly bidirectional: boolean;
}

/** The outputs of every time step, and the state after the last one. */
export type RecurrentResult = readonly [outputs: Tensor, state: Tensor];

/**
 * One layer of an Elman network: `h <- nonlinearity(x W_ih^T + b_ih + h W_hh^T + b_hh)`.
 * @param x [T, N, inputSize]
 * @param state [D, N, H]
 * @returns Outputs [T, N, D H], and the last state [D, N, H].
 */
export function rnn(
  x: Tensor,
  state: Tensor,
  weights: RecurrentWeights,
  nonlinearity: "tanh" | "relu",
): RecurrentResult {
  return differentiableMany(
    RNN[nonlinearity],
    x,
    state,
    ...argumentsOf(weights),
  ) as unknown as RecurrentResult;
}

/**
 * One layer of gated recurrent units, with the gates r, z and n of Cho et al., 2014, in PyTorch's form: n takes
 * `r * (h W_hn^T + b_hn)`. Shapes as for `rnn`.
 */
export function gru(x: Tensor, state: Tensor, weights: RecurrentWeights): RecurrentResult {
  return differentiableMany(GRU, x, state, ...argumentsOf(weights)) as unknown as RecurrentResult;
}

/**
 * One layer of long short-term memory, with the gates i, f, g and o: Hochreiter and Schmidhuber, 1997. Shapes as for
 * `rnn`; the state consists of the hidden state and the cell state.
 */
export function lstm(
  x: Tensor,
  [hidden, cell]: readonly [Tensor, Tensor],
  weights: RecurrentWeights,
): readonly [outputs: Tensor, hidden: Tensor, cell: Tensor] {
  const results = differentiableMany(LSTM, x, [hidden, cell], ...argumentsOf(weights));
  return results as unknown as readonly [Tensor, Tensor, Tensor];
}

/** One layer, without LibTorch's dropout, with time as the first dimension. */
function argumentsOf({ tensors, hasBiases, bidirectional }: RecurrentWeights) {
  const [numLayers, dropout, training, batchFirst] = [1, 0, false, false];
  return [tensors, hasBiases, numLayers, dropout, training, bidirectional, batchFirst] as const;
}
