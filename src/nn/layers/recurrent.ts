// Recurrent layers. PyTorch runs a stack of layers with one call of an operator that also draws the dropout between
// them, from the generator of the whole process. Here each layer is one call, and dropout is ours: it draws from the
// rank's generator, so that masks are reproducible, and activation checkpoints can draw them again. The time steps of a
// layer stay within LibTorch.
//
// Weights have PyTorch's flat names (`weight_ih_l0_reverse`), which `parts` gives.
import {
  gru,
  lstm,
  type RecurrentResult,
  type RecurrentWeights,
  rnn,
} from "../../autograd/library/recurrent.ts";
import { dropout } from "../../autograd/operators/dropout.ts";
import { cat } from "../../autograd/operators/join.ts";
import { transpose } from "../../autograd/operators/shape.ts";
import { narrow } from "../../autograd/operators/slice.ts";
import type { Parameter } from "../../autograd/parameter.ts";
import { checkedOptions, OptionError } from "../../errors/option-error.ts";
import type { DType } from "../../tensor/dtype.ts";
import type { Runtime } from "../../tensor/runtime.ts";
import { shapeMismatch } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { uniformParameter } from "../initial.ts";
import { Module } from "../module.ts";

export interface RecurrentOptions {
  /** Layers above one another; each takes the outputs of the one before. Default: 1. */
  readonly numLayers?: number | undefined;
  /** Default: true. */
  readonly bias?: boolean | undefined;
  /** Whether inputs and outputs, but not states, are [N, T, ...] instead of [T, N, ...]. Default: false. */
  readonly batchFirst?: boolean | undefined;
  /** In training, the probability of dropout of each layer's outputs but the last's. Default: 0. */
  readonly dropout?: number | undefined;
  /** Whether each layer also runs from the end to the start; outputs of both are joined. Default: false. */
  readonly bidirectional?: boolean | undefined;
  readonly dtype?: DType | undefined;
}

const OPTION_NAMES = ["numLayers", "bias", "batchFirst", "dropout", "bidirectional", "dtype"] as const;

/** What a layer of the stack takes, and what becomes of its states. */
type RunLayer = (x: Tensor, layer: number, weights: RecurrentWeights) => Tensor;

/**
 * What `RNN`, `GRU` and `LSTM` share. T is the number of time steps, N the batch, H the hidden size, and D the number
 * of directions.
 */
abstract class Recurrent<Inputs extends readonly (Tensor | null | undefined)[], Output> extends Module<
  Inputs,
  Output
> {
  readonly hiddenSize: number;
  readonly numLayers: number;
  readonly batchFirst: boolean;
  readonly dropout: number;
  readonly bidirectional: boolean;
  readonly #name: string;
  readonly #inputSize: number;
  readonly #hasBiases: boolean;
  /** The parameters by PyTorch's names, in its order. */
  readonly #weights: ReadonlyMap<string, Parameter>;

  /** @throws OptionError for an option that does not exist or is out of its range */
  constructor(
    runtime: Runtime,
    inputSize: number,
    hiddenSize: number,
    { name, numGates }: { readonly name: string; readonly numGates: number },
    options: RecurrentOptions,
  ) {
    super(runtime);
    const {
      numLayers = 1,
      bias = true,
      batchFirst = false,
      dropout = 0,
      bidirectional = false,
      dtype = "float32",
    } = options;
    if (!(Number.isInteger(numLayers) && numLayers >= 1))
      throw new OptionError(`${name}: numLayers must be a whole number of at least 1; got ${numLayers}`);
    if (!(dropout >= 0 && dropout < 1))
      throw new OptionError(`${name}: dropout must be at least 0 and under 1; got ${dropout}`);
    this.#name = name;
    this.#inputSize = inputSize;
    this.hiddenSize = hiddenSize;
    this.numLayers = numLayers;
    this.batchFirst = batchFirst;
    this.dropout = dropout;
    this.bidirectional = bidirectional;
    this.#hasBiases = bias;
    const bound = 1 / Math.sqrt(hiddenSize);
    const rows = numGates * hiddenSize;
    const weights = new Map<string, Parameter>();
    for (let layer = 0; layer < numLayers; layer++) {
      const width = layer === 0 ? inputSize : this.numDirections * hiddenSize;
      const shapes = { weight_ih: [rows, width], weight_hh: [rows, hiddenSize] };
      const all = { ...shapes, ...(bias ? { bias_ih: [rows], bias_hh: [rows] } : {}) };
      for (const suffix of this.#suffixes(layer))
        for (const [kind, shape] of Object.entries(all))
          weights.set(`${kind}${suffix}`, uniformParameter(runtime, shape, bound, dtype));
    }
    this.#weights = weights;
  }

  get numDirections(): number {
    return this.bidirectional ? 2 : 1;
  }

  protected override parts() {
    return this.#weights;
  }

  /** Runs all layers. @returns The outputs of the last, [T, N, D H] or [N, T, D H] */
  protected runLayers(x: Tensor, run: RunLayer): Tensor {
    if (x.shape.length !== 3 || x.shape[2] !== this.#inputSize)
      throw shapeMismatch(
        this.#name,
        `x must be ${this.batchFirst ? "[N, T" : "[T, N"}, ${this.#inputSize}]`,
        { x },
      );
    let values = this.batchFirst ? transpose(x, 0, 1) : x;
    for (let layer = 0; layer < this.numLayers; layer++) {
      if (layer > 0 && this.training && this.dropout > 0) values = dropout(values, this.dropout);
      values = run(values, layer, this.#weightsOf(layer));
    }
    return this.batchFirst ? transpose(values, 0, 1) : values;
  }

  /** The state [D, N, H] before the first time step, of one layer; zeros unless given as [numLayers D, N, H]. */
  protected stateOf(given: Tensor | null, x: Tensor, layer: number): Tensor {
    const count = this.numDirections;
    if (given !== null) return narrow(given, 0, layer * count, count);
    const numSequences = x.shape[this.batchFirst ? 0 : 1]!;
    return this.runtime.zeros([count, numSequences, this.hiddenSize], x.dtype);
  }

  #suffixes(layer: number): string[] {
    return this.bidirectional ? [`_l${layer}`, `_l${layer}_reverse`] : [`_l${layer}`];
  }

  #weightsOf(layer: number): RecurrentWeights {
    const kinds = ["weight_ih", "weight_hh", ...(this.#hasBiases ? ["bias_ih", "bias_hh"] : [])];
    const tensors = this.#suffixes(layer).flatMap((suffix) =>
      kinds.map((kind) => this.#weights.get(`${kind}${suffix}`)!),
    );
    return { tensors, hasBiases: this.#hasBiases, bidirectional: this.bidirectional };
  }
}

/** A layer of one state. */
type RunOne = (x: Tensor, state: Tensor, weights: RecurrentWeights) => RecurrentResult;

abstract class OneState extends Recurrent<[x: Tensor, initial?: Tensor | null], RecurrentResult> {
  protected abstract readonly runOne: RunOne;

  /**
   * @param x [T, N, inputSize], or [N, T, inputSize] with `batchFirst`
   * @param initial [numLayers D, N, H], the states before the first time step; zeros when it is left out
   * @returns The outputs of the last layer, [T, N, D H] or [N, T, D H], and the last states, [numLayers D, N, H].
   */
  forward(x: Tensor, initial: Tensor | null = null): RecurrentResult {
    const last: Tensor[] = [];
    const outputs = this.runLayers(x, (values, layer, weights) => {
      const [outputs, state] = this.runOne(values, this.stateOf(initial, x, layer), weights);
      last.push(state);
      return outputs;
    });
    return [outputs, cat(last, 0)];
  }
}

/** An Elman network of PyTorch's form: `h <- tanh(x W_ih^T + b_ih + h W_hh^T + b_hh)`, or with `relu`. */
export class RNN extends OneState {
  protected readonly runOne: RunOne;

  constructor(
    runtime: Runtime,
    inputSize: number,
    hiddenSize: number,
    options: RecurrentOptions & { readonly nonlinearity?: "tanh" | "relu" | undefined } = {},
  ) {
    const { nonlinearity = "tanh", ...rest } = checkedOptions("RNN", options, [
      ...OPTION_NAMES,
      "nonlinearity",
    ]);
    super(runtime, inputSize, hiddenSize, { name: "RNN", numGates: 1 }, rest);
    this.runOne = (x, state, weights) => rnn(x, state, weights, nonlinearity);
  }
}

/** Gated recurrent units: Cho et al., 2014, in PyTorch's form. */
export class GRU extends OneState {
  protected readonly runOne = gru;

  constructor(runtime: Runtime, inputSize: number, hiddenSize: number, options: RecurrentOptions = {}) {
    checkedOptions("GRU", options, OPTION_NAMES);
    super(runtime, inputSize, hiddenSize, { name: "GRU", numGates: 3 }, options);
  }
}

/** Long short-term memory: Hochreiter and Schmidhuber, 1997, with a forget gate. */
export class LSTM extends Recurrent<
  [x: Tensor, hidden?: Tensor | null, cell?: Tensor | null],
  readonly [outputs: Tensor, hidden: Tensor, cell: Tensor]
> {
  constructor(runtime: Runtime, inputSize: number, hiddenSize: number, options: RecurrentOptions = {}) {
    checkedOptions("LSTM", options, OPTION_NAMES);
    super(runtime, inputSize, hiddenSize, { name: "LSTM", numGates: 4 }, options);
  }

  /**
   * @param x [T, N, inputSize], or [N, T, inputSize] with `batchFirst`
   * @param hidden [numLayers D, N, H], the hidden states before the first time step; zeros when it is left out
   * @param cell The cell states, likewise.
   * @returns The outputs of the last layer, [T, N, D H] or [N, T, D H], and the last states, [numLayers D, N, H].
   */
  forward(x: Tensor, hidden: Tensor | null = null, cell: Tensor | null = null) {
    const [hiddens, cells]: [Tensor[], Tensor[]] = [[], []];
    const outputs = this.runLayers(x, (values, layer, weights) => {
      const states = [this.stateOf(hidden, x, layer), this.stateOf(cell, x, layer)] as const;
      const [outputs, lastHidden, lastCell] = lstm(values, states, weights);
      hiddens.push(lastHidden);
      cells.push(lastCell);
      return outputs;
    });
    return [outputs, cat(hiddens, 0), cat(cells, 0)] as const;
  }
}
