import { record } from "../../src/autograd/record.ts";
import { operator } from "../../src/tensor/native-operator.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { MlpStage } from "./mlp-model.ts";

const CLONE = operator("aten::clone");

/** What a stage returns in place of its output. */
export type Mood = (y: Tensor) => unknown;

/** A stage that misbehaves when it is told to. */
export class MoodyStage extends MlpStage {
  mood: Mood | undefined = undefined;

  override forward(x: Tensor): Tensor {
    const y = super.forward(x);
    return this.mood ? (this.mood(y) as Tensor) : y;
  }
}

export function thrower(message: string): () => never {
  return () => {
    throw new Error(message);
  };
}

/** Does nothing but at the n-th call. */
export function atCall(n: number, mood: Mood): Mood {
  let numCalls = 0;
  return (y) => (++numCalls === n ? mood(y) : y);
}

/** The same values, with a backward that throws. */
export function withTrap(y: Tensor): Tensor {
  const copy = y.runtime.call(CLONE, y);
  record("trap", [y], [copy], [], thrower("a trap in the backward"));
  return copy;
}
