// A language model of gated recurrent units that learns to count: sequences of letters in which each depends on the one
// before and on a step that it must remember.
import { add, crossEntropy, Embedding, GRU, Linear, Module, type Runtime, type Tensor } from "dualpipe";
import { type ExampleModel, numbersOf } from "./model.ts";

const NUM_LAYERS = 6;
const HIDDEN_SIZE = 24;
const NUM_LETTERS = 12;
const SEQUENCE = 10;

/** One layer, [N, T, H] to the same shape, with a residual connection. */
class Layer extends Module {
  readonly gru = new GRU(this.runtime, HIDDEN_SIZE, HIDDEN_SIZE, { batchFirst: true });

  forward(x: Tensor): Tensor {
    const [outputs] = this.gru.call(x);
    return add(x, outputs);
  }
}

function part(runtime: Runtime, index: number): Module {
  if (index === 0) return new Embedding(runtime, NUM_LETTERS, HIDDEN_SIZE);
  return index > NUM_LAYERS ? new Linear(runtime, HIDDEN_SIZE, NUM_LETTERS) : new Layer(runtime);
}

/** Letters int64 [N, T], and the next ones. */
function batch(runtime: Runtime, numSequences: number, step: number): { inputs: Tensor; labels: Tensor } {
  const random = numbersOf(step);
  const sequences = Array.from({ length: numSequences }, () => {
    const [first, stride] = [Math.floor(NUM_LETTERS * random()), 1 + Math.floor(3 * random())];
    return Array.from({ length: SEQUENCE + 1 }, (_, t) => (first + stride * t) % NUM_LETTERS);
  });
  const tensor = (from: number) =>
    runtime.tensor(
      sequences.flatMap((each) => each.slice(from, from + SEQUENCE)),
      [numSequences, SEQUENCE],
      "int64",
    );
  return { inputs: tensor(0), labels: tensor(1) };
}

export const gruLanguageModel: ExampleModel = {
  numParts: NUM_LAYERS + 2,
  part,
  batch,
  criterion: (logits, labels) => crossEntropy(logits, labels),
};
